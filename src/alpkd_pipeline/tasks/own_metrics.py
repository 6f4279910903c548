"""Metrics of the user's own: folders with a module of the library `evaluate`, in `task.metrics`.

Evaluations alone compute them (`evaluation.metrics`); nothing here needs that library. A metric is
called like its folder, and the module in it is `<name>.py`. An entry with a `/` is a folder, or the
id of a metric of the hub, which looks the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.fingerprint import key_of
from alpkd_pipeline.store.manifest import sha256_file
from alpkd_pipeline.tasks.metrics import METRICS


def our_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The entries of `task.metrics` that are no folders.

    Raises:
        UserError: a folder is the first of all.
    """
    if names and "/" in names[0]:
        raise UserError(
            f"parameter 'task.metrics' begins with the folder '{names[0]}': the first metric"
            " chooses the best epoch, so trainings compute it, and they compute ours alone; put one"
            f" of {', '.join(METRICS)} before it"
        )
    return tuple(name for name in names if "/" not in name)


def own_metrics(names: Sequence[str], project: Path) -> dict[Path, str]:
    """The folders that `task.metrics` names, each with its digest.

    Args:
        names: the parameter.
        project: relative paths start here.

    Raises:
        UserError: one is not there, holds no module, or has a name that is taken.
    """
    found: dict[Path, str] = {}
    for name in (name for name in names if "/" in name):
        folder = Path(os.path.abspath(project / Path(name).expanduser()))
        if not folder.is_dir():
            why = f"is no folder (there is no {folder}); code of the hub is not run: copy it here"
        elif not (folder / f"{folder.name}.py").is_file():
            why = f"has no {folder.name}.py, where a module of the library evaluate stands"
        elif folder.name in {*METRICS, *(other.name for other in found)}:
            why = f"has the name of another metric: rename the folder and {folder.name}.py in it"
        else:
            found[folder] = folder_digest(folder)
            continue
        raise UserError(f"parameter 'task.metrics': '{name}' {why}")
    return found


def folder_digest(folder: Path) -> str:
    """The hash of a folder's files, but for Python's caches and what begins with a dot."""
    files = ((path.relative_to(folder), path) for path in folder.rglob("*") if path.is_file())
    return key_of(
        {
            name.as_posix(): sha256_file(path)
            for name, path in files
            if not any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        }
    )


def own_scores(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The scores of the user's own metrics in a scores.json: split -> name -> value."""
    names = result.get("metrics") or ()
    return {
        split: {n: v for n, v in (facts["scores"] or {}).items() if n.partition(".")[0] in names}
        for split, facts in result["splits"].items()
    }
