"""Takes things out of a store so that no process ever sees half of one."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import nullcontext
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.locks import taken
from alpkd_pipeline.orchestration.integrity.places import PRUNED
from alpkd_pipeline.orchestration.pruning.candidates import Candidate, is_settled


def remove(candidate: Candidate) -> str:
    """Remove one thing: under its lock it gets a name that nobody looks for, then it is deleted.

    A process that is killed in between leaves a folder that counts as left over.

    Args:
        candidate: what to remove.

    Returns:
        Why it is still there; empty if it is gone.
    """
    if candidate.path.is_symlink():
        return "it is a link: remove it, and what it leads to, by hand"
    lock = nullcontext(True) if candidate.lock is None else taken(candidate.lock)
    try:
        with lock as mine:
            if not mine:
                return "another process is at work on it"
            if not candidate.is_result and candidate.lock and not is_settled(candidate.path):
                return "something was written there just now"
            hidden = _hide(candidate.path)
        _delete(hidden)
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return ""


def _hide(path: Path) -> Path:
    if path.name.startswith("."):
        return path  # nobody looks for it
    hidden = path.with_name(f".{path.name}.{uuid.uuid4().hex}{PRUNED}")
    os.rename(path, hidden)
    return hidden


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
