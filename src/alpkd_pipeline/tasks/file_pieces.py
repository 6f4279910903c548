"""Pieces of a large array in a file, read into memory without mapping the file.

A process that touches a mapped file in random order holds far more of it than it asked for: the
kernel maps whole blocks of its cache around every touch, 2 MB each where the file was just written.
A plain read copies the few bytes that are wanted, and takes less time than the page faults do.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from alpkd_pipeline.errors import UserError


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

    def read(self, starts: np.ndarray, stops: np.ndarray) -> np.ndarray:
        """The items from starts[i] up to stops[i] for every i, one piece after the other.

        Args:
            starts: (P,) int64.
            stops: (P,) int64.

        Returns:
            (sum of stops - starts, *item_shape), in memory of its own.

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
