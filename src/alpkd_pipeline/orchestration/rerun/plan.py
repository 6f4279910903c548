"""What a rerun will do, found out before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.conditions import conditions
from alpkd_pipeline.orchestration.rerun.original import Difference, StoredRun
from alpkd_pipeline.orchestration.rerun.worktree import recorded_commit
from alpkd_pipeline.store.run_folder import provenance


@dataclass(frozen=True, slots=True)
class Planned:
    """One original and how it is made again.

    Attributes:
        original: the original.
        differences: what has changed since, as far as it shows before.
        commit: the commit whose code is run; None: today's.
        device: takes the place of the recorded device, which is not here.
        error: why it cannot be made again, one line.
        today: what tells its results from those of another day's code or data.
    """

    original: StoredRun
    differences: tuple[Difference, ...] = ()
    commit: str | None = None
    device: str | None = None
    error: str | None = None
    today: Mapping[str, Any] = field(default_factory=dict)


def plan_rerun(original: StoredRun, project: Path, store: Path, here: bool) -> Planned:
    """Decide how an original is made again.

    Args:
        original: the original.
        project: the project's root.
        store: the store that is worked in; hashes of code and data are remembered there.
        here: whether today's code and today's device will do.

    Raises:
        UserError: it cannot be made again as it was, and `here` is not given.
    """
    found = conditions(original, project, store)
    commit, today = None, found.today
    if "code" in found.kinds and not here:
        commit = recorded_commit(original, project)
        # Keys have hashes of today's code in them, which is not what is run.
        today = {name: value for name, value in today.items() if name == "source"}
    return Planned(original, found.differences, commit, _device(original, here), today=today)


def plan_or_error(original: StoredRun, project: Path, store: Path, here: bool) -> Planned:
    """The same for one of many: an original that cannot be made again stops no other."""
    try:
        return plan_rerun(original, project, store, here)
    except UserError as error:
        return Planned(original, error=str(error))


def what_is_made(planned: Sequence[Planned], project: Path) -> dict[str, Any]:
    """All that decides what a rerun makes, JSON-ready: one goes on only where it is the same.

    Args:
        planned: the originals; those with an error do not count.
        project: the project's root.
    """
    here = provenance(project)
    return {
        # Without these, results of another day might be taken for what is made now.
        "libraries": here["libraries"],
        "python": here["python"],
        "cells": [_cell(one) for one in planned if not one.error],
    }


def _cell(planned: Planned) -> dict[str, Any]:
    return {
        "key": planned.original.key,
        "commit": planned.commit,
        "device": planned.device,
        "params": dict(planned.original.run["params"]),
        "today": dict(planned.today),
    }


def _device(original: StoredRun, here: bool) -> str | None:
    teacher = original.teacher
    wanted = [run.environment.get("device") for run in (original, teacher) if run is not None]
    if all(device in (None, "cpu") for device in wanted):
        return None
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    lacking = [d for d in wanted if d and not there.get(str(d).partition(":")[0], d == "cpu")]
    if not lacking:
        return None
    if here:
        return "auto"
    raise UserError(
        f"{original.folder.name} was trained on {lacking[0]}, which this machine does not have:"
        " run it where there is one; --here takes what there is"
    )


def plan_lines(planned: Planned) -> list[str]:
    """What will be done, in words."""
    original = planned.original
    how = "with today's code"
    if planned.commit:
        how = f"with the code of commit {planned.commit[:8]}, in a temporary work tree"
    lines = [f"{original.folder.name} ({original.task}): made again {how}"]
    if planned.error:
        return [f"{original.folder.name} ({original.task}): cannot be made again: {planned.error}"]
    if planned.device:
        lines.append("  on another device: the recorded one is not here")
    lines += [f"  differs today: {difference}" for difference in planned.differences]
    return lines


def environment_lines(planned: Planned) -> list[str]:
    """The commands that recreate the recorded environment, if libraries or Python differ."""
    if not {"libraries", "python"} & {difference.kind for difference in planned.differences}:
        return []
    made = planned.original.provenance
    commit, python = made.get("git_commit"), ".".join(str(made.get("python")).split(".")[:2])
    if not commit:
        pins = " ".join(f"{n}=={v}" for n, v in (made.get("libraries") or {}).items())
        return ["the recorded libraries:", f"  python{python} -m pip install {pins}"]
    folder = f"../recorded-{commit[:8]}"
    return [
        "the recorded environment, made beside this one:",
        f"  git worktree add {folder} {commit[:8]} && cd {folder}",
        f"  python{python} -m venv .venv",
        "  .venv/bin/pip install -c constraints.txt -e .",
    ]
