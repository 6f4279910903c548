"""Keeps two processes from the same search: they would run every trial twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import UserError


@contextmanager
def held(folder: Path, search: str) -> Iterator[None]:
    """Hold a search while it runs. A process that is killed lets go of it.

    Args:
        folder: the folder of all searches.
        search: its id.

    Raises:
        UserError: another process is at it.
    """
    locks = folder / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{search}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"another kedro tune is at this search ({search}): wait until it is done"
        ) from None
    try:
        yield
    finally:
        lock.release()
