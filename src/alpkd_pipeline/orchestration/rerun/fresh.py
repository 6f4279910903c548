"""Where a rerun happens: in a fresh store, with the code of another commit where it is needed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.original import StoredRun
from alpkd_pipeline.store.fingerprint import git, provenance
from alpkd_pipeline.store.layout import RERUNS
from alpkd_pipeline.store.manifest import LOCKS, lock_file, read_object, write_json

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
    begun = f"{name}-{utc_now()}"
    for number in count(1):
        folder = base / (begun if number == 1 else f"{begun}-{number}")
        if (lock := _taken(folder)) is not None:
            if not folder.exists():
                folder.mkdir()
                return lock, folder
            lock.release()
    raise AssertionError


def _leftover(base: Path, plan: Mapping[str, Any]) -> tuple[FileLock, Path] | None:
    found = None
    for folder in sorted((p for p in base.iterdir() if p.name != LOCKS), reverse=True):
        if (folder / VERDICT).is_file() or (lock := _taken(folder)) is None:
            continue  # it is kept, or at work
        if found is None and read_object(folder / PLAN) == plan:
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


_git = partial(git, seconds=120)  # to check out a large tree takes its time


def same_source(original: StoredRun, project: Path) -> bool:
    """Whether the project stands at the commit of a run, without changes then and now."""
    then, now = original.provenance, provenance(project)
    commit = then.get("git_commit")
    clean = then.get("git_dirty") is False and now["git_dirty"] is False
    return commit is not None and clean and commit == now["git_commit"]


def recorded_commit(original: StoredRun, project: Path) -> str:
    """The commit whose code made a run; a UserError if that came from changed files, without git,
    or from a commit not known here."""
    commit = str(original.provenance.get("git_commit") or "")
    if not commit:
        why = "which recorded no commit;"
    elif original.provenance.get("git_dirty") is not False:
        why = f"which was made from commit {commit[:8]} with changes that nobody committed: that"
        why += " code is gone;"
    elif _git(project, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        why = f"and this repository does not know its commit {commit[:8]}: fetch it; or"
    else:
        return commit
    name = original.folder.name
    raise UserError(f"the code has changed since {name}, {why} --here runs it with today's code")


@contextmanager
def checked_out(project: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A temporary work tree of a commit; gives the project's root inside the tree.

    The tree is removed in the end, and before if a killed process left it. It is a UserError that
    git refuses, or that the commit does not hold the project.
    """
    inside = _git(project, "rev-parse", "--show-prefix") or ""
    _remove(project, folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        if _git(project, "worktree", "add", "--detach", "--force", str(folder), commit) is None:
            raise UserError(
                f"git cannot check out commit {commit[:8]} at {folder}: try"
                f" `git worktree add {folder} {commit[:8]}`; --here runs today's code"
            )
        root = folder / inside
        if not (root / "pyproject.toml").is_file():
            raise UserError(
                f"commit {commit[:8]} does not hold this project; --here runs today's code"
            )
        (root / "conf" / "local").mkdir(parents=True, exist_ok=True)  # Kedro wants it
        yield root
    finally:
        _remove(project, folder)


def _remove(project: Path, folder: Path) -> None:
    if folder.exists():
        _git(project, "worktree", "remove", "--force", str(folder))
        shutil.rmtree(folder, ignore_errors=True)
