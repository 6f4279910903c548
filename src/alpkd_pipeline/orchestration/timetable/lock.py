"""Keeps a schedule from starting while its last run is still going."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STILL_RUNNING = 75
"""The exit code of a start that found another one running: EX_TEMPFAIL of sysexits.h."""

PATIENCE_SECONDS = 1.0
"""`is_held` takes a lock for a moment; that must not make a start give up."""


class StillRunning(Exception):  # noqa: N818
    """Another start of this schedule has not ended."""


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold a lock file, and give its descriptor to be inherited.

    A plain `flock` instead of the `FileLock` used elsewhere: whoever inherits the descriptor holds
    the lock too. So a command whose parent was killed keeps the next one away until it ends.

    Raises:
        StillRunning: somebody has it.
    """
    descriptor = _opened(path)
    try:
        end = time.monotonic() + PATIENCE_SECONDS
        while not _taken(descriptor):
            if time.monotonic() > end:
                raise StillRunning
            time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock file."""
    if not path.exists():
        return False
    descriptor = _opened(path)
    try:
        return not _taken(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
