"""Ways to damage a file: one bit is flipped, or bytes are missing."""

from __future__ import annotations

import random
from pathlib import Path


def flipped(data: bytes, rng: random.Random) -> bytes:
    """One bit is another one."""
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]


def cut(data: bytes, rng: random.Random) -> bytes:
    """The end is missing, at least a byte of it."""
    return data[: rng.randrange(len(data))]


DAMAGES = {"flip": flipped, "cut": cut}


class Spoilt:
    """A file that is damaged for a moment: `with Spoilt(path, damaged_bytes): ...`."""

    def __init__(self, path: Path, data: bytes) -> None:
        self._path, self._data = path, data
        self._before = path.read_bytes()

    def __enter__(self) -> None:
        # A new file: the old one may be mapped, or a second name of another.
        self._replace(self._data)

    def __exit__(self, *exc: object) -> None:
        self._replace(self._before)

    def _replace(self, data: bytes) -> None:
        self._path.unlink()
        self._path.write_bytes(data)
