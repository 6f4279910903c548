"""Files that are read through memory maps, without holding all of them in memory in the end.

A page that was touched once stays with the process until the kernel wants it back, and around
every touch the kernel maps whole blocks of its cache, 2 MB each where the file was just written. A
training that visits every row of a large file in random order would so come to hold all of it. So
pages are given back (`release_pages`); they stay in the kernel's cache, where touching them again
costs next to nothing. And pieces here and there are not mapped but read (`FilePieces`), which
copies the few bytes that are wanted and takes less time than the page faults do.
"""

from __future__ import annotations

import math
import mmap
import os
import weakref
from pathlib import Path

import numpy as np

from alpkd_pipeline.errors import NO_ROOM, UserError


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


class FilePieces:
    """An array of N items, end to end in a file, that is read in pieces.

    Args:
        path: the file.
        offset: the byte at which the first item begins.
        dtype: of the items' numbers.
        item_shape: the shape of one item; () for single numbers.

    Raises:
        OSError: the file cannot be opened.
    """

    def __init__(
        self, path: Path, offset: int, dtype: np.dtype, item_shape: tuple[int, ...] = ()
    ) -> None:
        self._path, self._offset = path, offset
        self._dtype, self._item_shape = dtype, item_shape
        self._item_bytes = dtype.itemsize * math.prod(item_shape)
        self._file = path.open("rb", buffering=0)
        # Python closes it too, and warns of it in whatever happens to run then.
        weakref.finalize(self, self._file.close)

    def read(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The items from starts[i] up to stops[i] for every i, one piece after the other.

        From starts (P,) and stops (P,), int64: (sum of stops - starts, *item_shape), in memory of
        its own.

        Raises:
            UserError: the file ends before a piece does.
        """
        sizes = stops - starts
        found = np.empty((int(sizes.sum()), *self._item_shape), self._dtype)
        target = found.reshape(-1).view(np.uint8).data
        places = self._offset + starts * self._item_bytes
        filled = 0
        for place, size in zip(places.tolist(), (sizes * self._item_bytes).tolist(), strict=True):
            self._file.seek(place)
            if self._file.readinto(target[filled : filled + size]) != size:
                raise UserError(f"{self._path} was cut short: delete its folder and make it again")
            filled += size
        return found
