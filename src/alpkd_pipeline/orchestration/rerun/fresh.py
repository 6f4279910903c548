"""The fresh stores that reruns are made in, and what interrupted ones left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from alpkd_pipeline.store.manifest import LOCKS, lock_file, read_json, write_json

RERUNS = "09_reruns"
"""Where fresh stores lie, below the store of the originals."""

PLAN = "plan.json"
"""What is to be made in a fresh store; while its verdict is not there, the rerun is unfinished."""

VERDICT = "rerun.json"
"""A copy of the report's data, in stores that are kept."""


def utc_now() -> str:
    """The time for folder names, `20260314-031500`."""
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S")


@contextmanager
def fresh_store(store: Path, name: str, plan: Mapping[str, Any]) -> Iterator[Path]:
    """A store of its own for one rerun, held by a lock.

    Unfinished ones whose process is gone are looked at first: the newest one with the same plan is
    gone on with, so that its trainings resume; all others are removed.

    Args:
        store: the store of the originals.
        name: what the folder is called, before the time.
        plan: everything that decides what is made.

    Yields:
        The folder. It is kept.
    """
    base = store / RERUNS
    (base / LOCKS).mkdir(parents=True, exist_ok=True)
    lock, folder = _leftover(base, plan) or _new(base, name)
    try:
        write_json(folder / PLAN, plan)
        yield folder
    finally:
        lock.release()
        if not folder.exists():
            Path(lock.lock_file).unlink(missing_ok=True)


def _new(base: Path, name: str) -> tuple[FileLock, Path]:
    begun, count = f"{name}-{utc_now()}", 1
    while True:
        folder = base / (begun if count == 1 else f"{begun}-{count}")
        lock = _taken(folder)
        if lock is not None and not folder.exists():
            folder.mkdir()
            return lock, folder
        if lock is not None:
            lock.release()
        count += 1


def _leftover(base: Path, plan: Mapping[str, Any]) -> tuple[FileLock, Path] | None:
    found = None
    for folder in sorted((p for p in base.iterdir() if p.name != LOCKS), reverse=True):
        if (folder / VERDICT).is_file():
            continue
        lock = _taken(folder)
        if lock is None:
            continue  # at work
        if found is None and _plan(folder) == plan:
            found = lock, folder
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        Path(lock.lock_file).unlink(missing_ok=True)
    return found


def _taken(folder: Path) -> FileLock | None:
    lock = FileLock(lock_file(folder))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def _plan(folder: Path) -> Any:
    try:
        return read_json(folder / PLAN)
    except (OSError, ValueError):
        return None
