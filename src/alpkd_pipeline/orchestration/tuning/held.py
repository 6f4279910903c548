"""Keeps two processes from the same search: they would run every trial twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.locks import LOCKS, lock_file


@contextmanager
def held(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a search and its studies while it runs. A process that is killed lets go of them.

    Two different searches may have a study in common: its name follows from what it tries.

    Args:
        folder: the folder of all searches.
        names: the id of the search and the names of its studies.

    Raises:
        UserError: another process is at one of them.
    """
    (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in names:
            try:
                stack.enter_context(FileLock(lock_file(folder / name), timeout=0))
            except Timeout:
                raise UserError(
                    f"another kedro tune is at this search ({name}): wait until it is done"
                ) from None
        yield
