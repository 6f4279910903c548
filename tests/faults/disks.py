"""A small disk of its own, in memory, that can be filled up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.disks import small_disk


class Disk:
    """A mounted file system.

    Attributes:
        folder: where it is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def leave(self, size: int) -> None:
        """Fill it until only this many bytes are left."""
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, self.free - size))

    def empty(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @contextmanager
    def watched(self) -> Iterator[list[int]]:
        """Note how many bytes were in use at most; the only entry of the list in the end."""
        begun, most, stop = self.free, [0], threading.Event()

        def look() -> None:
            while not stop.is_set():
                most[0] = max(most[0], begun - self.free)
                time.sleep(0.002)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield most
        finally:
            stop.set()
            thread.join()


@contextmanager
def disk_to_fill(place: Path, megabytes: int) -> Iterator[Disk]:
    """A small disk in a new folder; the test is skipped where it may not be mounted."""
    with small_disk(place, megabytes) as folder:
        yield Disk(folder)
