"""Files that are read through memory maps, without holding all of them in memory in the end.

A page that was touched once stays with the process until the kernel wants it back, and around a row
the kernel maps a great deal more. A training that visits every row of a large file in random order
would so come to hold the whole file. Pages that are given back stay in the kernel's cache: touching
them again costs next to nothing.
"""

from __future__ import annotations

import mmap
from pathlib import Path


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
