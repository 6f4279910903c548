"""The code of another commit, checked out beside the project for as long as it is needed."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.run_folder import provenance

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.rerun.original import StoredRun

SECONDS = 120
"""For one command of git."""


def same_source(original: StoredRun, project: Path) -> bool:
    """Whether the project stands at the commit of a run, without changes then and now."""
    then, now = original.provenance, provenance(project)
    commit = then.get("git_commit")
    clean = then.get("git_dirty") is False and now["git_dirty"] is False
    return commit is not None and clean and commit == now["git_commit"]


def recorded_commit(original: StoredRun, project: Path) -> str:
    """The commit whose code made a run.

    Raises:
        UserError: the run came from changed files, without git, or from a commit not known here.
    """
    commit = original.provenance.get("git_commit")
    name, here = original.folder.name, "--here runs it with today's code"
    if not commit:
        raise UserError(f"the code has changed since {name}, which recorded no commit; {here}")
    if original.provenance.get("git_dirty") is not False:
        raise UserError(
            f"the code has changed since {name}, which was made from commit {commit[:8]} with"
            f" changes that nobody committed: that code is gone; {here}"
        )
    if _git(project, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        raise UserError(
            f"the code has changed since {name}, and this repository does not know its commit"
            f" {commit[:8]}: fetch it; or {here}"
        )
    return str(commit)


@contextmanager
def checked_out(project: Path, commit: str, folder: Path) -> Iterator[Path]:
    """A temporary work tree of a commit.

    Args:
        project: the project's root, anywhere inside the repository.
        commit: the commit.
        folder: where the tree is put; removed in the end, and before if a killed process left it.

    Yields:
        The project's root inside the tree.

    Raises:
        UserError: git refuses, or the commit does not hold the project.
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


def _git(project: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *command], capture_output=True, text=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
