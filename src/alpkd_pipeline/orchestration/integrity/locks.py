"""Whether a process is at work on something, by the locks that stages hold."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from alpkd_pipeline.orchestration.integrity.places import COMPARISON, KINDS, RECORDS, Entry
from alpkd_pipeline.runs.locks import LOCKS
from alpkd_pipeline.runs.manifest import listed


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock file. One that may not be opened counts as held.

    Where nothing can be written nobody is at work.
    """
    if not lock.is_file():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except OSError as error:  # filelock's Timeout is one too
        return error.errno != errno.EROFS


def at_work_on(entry: Entry) -> bool:
    """Whether a process is making what an entry is, or is to become."""
    if entry.kind.name == COMPARISON and entry.state == "work":
        # All comparisons are made in one place, each under the lock of its own key.
        return any(is_held(lock) for lock in sorted((entry.final / LOCKS).glob("*.lock")))
    return is_held(entry.lock)


def busy(store: Path) -> list[Path]:
    """The results that processes are making now, and the sweeps and searches that are running."""
    depth = {kind.place: "" if kind.name == COMPARISON else "*/" for kind in KINDS}
    places = {**depth, **dict.fromkeys(RECORDS, "")}
    found = (p for place, inner in places.items() for p in _locks(store / place, inner))
    return [_locked(lock) for lock in found if is_held(lock)]


def _locked(lock: Path) -> Path:
    """What a lock stands for, by the name that people see."""
    place = lock.parents[1]
    found = [path for path in listed(place) if path.name.removesuffix(".work").endswith(lock.stem)]
    return place / (found[-1].name.removesuffix(".work") if found else lock.stem)


def _locks(place: Path, inner: str) -> list[Path]:
    return sorted(place.glob(f"{inner}{LOCKS}/*.lock"))


@contextmanager
def taken(lock: Path) -> Iterator[bool]:
    """Hold a lock file if nobody else does; gives whether it is held now.

    Raises:
        OSError: nothing can be written there.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except OSError as error:
        if error.errno == errno.EROFS:
            raise
        yield False
        return
    try:
        yield True
    finally:
        held.release()
