"""Files that are read through memory maps, without holding all of them in memory in the end.

A page that was touched once stays with the process until the kernel wants it back, and around a row
the kernel maps a great deal more. A training that visits every row of a large file in random order
would so come to hold the whole file. Pages that are given back stay in the kernel's cache: touching
them again costs next to nothing.
"""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from alpkd_pipeline.errors import NO_ROOM


def map_file(path: Path) -> mmap.mmap:
    """A whole file as bytes, read-only.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is empty.
    """
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def release_pages(pages: mmap.mmap) -> None:
    """Give the pages of a mapped file back; what was read and what will be read is the same."""
    if hasattr(mmap, "MADV_DONTNEED"):  # not on Windows
        pages.madvise(mmap.MADV_DONTNEED)


def reserve(path: Path) -> None:
    """Make the disk hold all of a file before its pages are written.

    A page of a mapped file that the disk has no room for ends the process without a word.

    Raises:
        OSError: there is no room.
    """
    if not hasattr(os, "posix_fallocate"):  # neither on macOS nor on Windows
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            if error.errno in NO_ROOM:
                error.filename = str(path)
                raise
            # This file system cannot reserve; it may still have room.
