"""What has changed between a run and today, and what its rerun will do: before anything runs."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.check import check
from alpkd_pipeline.project.experiment import TRAINING_LIBRARIES, Experiment
from alpkd_pipeline.reproduce.execute import recorded_commit, same_source
from alpkd_pipeline.reproduce.original import Difference, DifferenceKind, StoredRun
from alpkd_pipeline.reproduce.result import Rerun
from alpkd_pipeline.store.fingerprint import provenance
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.run_folder import Damage, RunFolder, noted

MADE_IN_ORDER = ("splits", "encoded", "teacher", "signals", "student")


def conditions(
    original: StoredRun, project: Path, store: Path
) -> tuple[list[Difference], dict[str, Any]]:
    """What has changed since a run, and what today's results would be known by: their keys, and the
    raw data as `source`; nothing if today's code refuses the parameters.

    Hashes are remembered in the store. It is a UserError that data or encoder are gone.
    """
    found = [*_software(original, provenance(project)), *damage(original)]
    try:
        params = check({**original.run["params"], "run": {"store": str(store)}})
        experiment = Experiment(params, project)
    except UserError as error:  # today's code refuses the parameters
        return [*found, Difference("code", "code", "knew the parameters", str(error))], {}
    keys = {name: experiment.stage(name).key for name in MADE_IN_ORDER if name in original.keys}
    moved = [name for name in keys if keys[name] != original.keys[name]]
    causes = _causes(original, experiment, moved, project, found)
    return [*found, *causes], {**keys, "source": experiment.source_digest}


def damage(original: StoredRun) -> list[Difference]:
    """The files of an original, of its teacher and of both their scores that somebody has changed.

    All these files are read. DamagedError is raised for the teacher's run.json and metrics.json,
    which say how it was made.
    """
    folders: dict[str, RunFolder] = {original.stage: original}
    if original.teacher_folder is not None:
        folders["teacher"] = original.teacher or RunFolder(original.teacher_folder)
    found: list[Difference] = []
    for stage, folder in folders.items():
        with noted(own := list[Damage]()):
            folder.verify()
        with noted(scored := list[Damage]()):
            # Without its manifest nobody knows which scores are its own.
            if isinstance(folder, StoredRun) and (scores := folder.newest(SCORES[0])) is not None:
                scores.verify()
        found += [told(one, stage) for one in own]
        found += [told(one, f"{stage}'s scores") for one in scored]
    return found


def told(damage: Damage, of: str) -> Difference:
    """Damage as a difference, with the hashes of then and now."""
    then = f"sha256 {damage.expected or 'of a manifest'}"
    return Difference("damage", f"{damage.file} of the {of}", then, damage.found or damage.what)


def _software(original: StoredRun, now: Mapping[str, Any]) -> list[Difference]:
    then = original.provenance
    ours, theirs = now["libraries"], then.get("libraries") or {}
    pairs: list[tuple[DifferenceKind, str, Any, Any]] = [
        *(("libraries", name, theirs[name], ours.get(name, "missing")) for name in theirs),
        ("libraries", "lock file", _digits(then.get("lock")), _digits(now["lock"])),
        # Older runs did not record these two.
        ("python", "Python", then.get("python"), now["python"]),
        ("device", "vector instructions", then.get("instructions"), now["instructions"]),
    ]
    changed = [pair for pair in pairs if pair[2] not in (None, pair[3])]
    return [Difference(kind, what, str(old), str(new)) for kind, what, old, new in changed]


def _causes(
    original: StoredRun,
    experiment: Experiment,
    moved: list[str],
    project: Path,
    found: list[Difference],
) -> list[Difference]:
    """Why keys have moved; what follows from a key before it needs no cause of its own."""
    causes = _code(original, experiment, moved)
    python = any(difference.kind == "python" for difference in found)
    for name in moved:
        if any(upstream in moved for upstream in experiment.stage(name).made_from):
            continue
        if name == "splits" and (change := _source(original, experiment)) is not None:
            causes.append(change)
            continue
        reads = {"encoded": ("tokenizers",), "splits": (), "signals": ()}
        code, libraries = f"code of the {name}", reads.get(name, TRAINING_LIBRARIES)
        if python or {d.what for d in (*causes, *found)} & {code, *libraries}:
            continue
        if name in ("teacher", "student") or same_source(original, project):
            what = f"parameters or input files of the {name}"
            causes.append(Difference("parameters", what, "those of its key", "others"))
        else:
            causes.append(Difference("code", code, "that of its key", "another"))
    return causes


def _code(original: StoredRun, experiment: Experiment, moved: list[str]) -> list[Difference]:
    found = []
    for run in filter(None, (original.teacher, original)):
        then = run.run["identity"].get("code")
        now = experiment.student_code if run.stage == "student" else experiment.teacher_code
        # Hashes of code cannot be compared across Pythons: they write syntax trees differently.
        comparable = _minor(run.provenance.get("python")) == _minor(platform.python_version())
        if run.stage in moved and comparable and then != now:
            found.append(Difference("code", f"code of the {run.stage}", _digits(then), now[:8]))
    return found


def _minor(python: Any) -> str:
    return ".".join(str(python).split(".")[:2])


def _source(original: StoredRun, experiment: Experiment) -> Difference | None:
    then, now = original.run.get("source"), experiment.source_digest
    if then is None or then == now:
        return None
    before, after = then.get("files") or {}, now.get("files") or {}
    files = sorted(n for n in {*before, *after} if before.get(n, {}) != after.get(n, {}))
    what = f"raw data ({', '.join(files)})" if files else "raw data"
    hashes = (
        ", ".join(_digits(there.get(name, {}).get("sha256", "none")) for name in files)
        or _digits(facts.get("sha256") or facts.get("revision"))
        for facts, there in ((then, before), (now, after))
    )
    return Difference("data", what, *hashes)


def _digits(value: Any) -> str:
    return str(value)[:8] if value else "not known"


def plan_rerun(original: StoredRun, project: Path, store: Path, here: bool) -> Rerun:
    """Decide how an original is made again; a UserError if it cannot be as it was, and `here` does
    not say that today's code and device will do. Hashes are remembered in the `store`."""
    differences, today = conditions(original, project, store)
    commit = None
    if not here and any(difference.kind == "code" for difference in differences):
        commit = recorded_commit(original, project)
        # Keys have hashes of today's code in them, which is not what is run.
        today = {name: value for name, value in today.items() if name == "source"}
    return Rerun(original, tuple(differences), commit, _device(original, here), today=today)


def plan_or_error(original: StoredRun, project: Path, store: Path, here: bool) -> Rerun:
    """The same for one of many: an original that cannot be made again stops no other."""
    try:
        return plan_rerun(original, project, store, here)
    except UserError as error:
        return Rerun(original, error=str(error))


def what_is_made(planned: Sequence[Rerun], project: Path) -> dict[str, Any]:
    """All that decides what a rerun makes, JSON-ready: one goes on only where it is the same."""
    experiments = [
        [one.original.key, one.commit, one.device, one.original.run["params"], dict(one.today)]
        for one in planned
        if not one.error
    ]
    # Without libraries, results of another day might be taken for what is made now.
    here = provenance(project)
    return {"libraries": here["libraries"], "python": here["python"], "cells": experiments}


def _device(original: StoredRun, here: bool) -> str | None:
    teacher = original.teacher
    wanted = [run.environment.get("device") for run in (original, teacher) if run is not None]
    if lacking := [device for device in wanted if device not in (None, "cpu")]:
        import torch

        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        lacking = [device for device in lacking if not there.get(str(device).partition(":")[0])]
    if not lacking or here:
        return "auto" if lacking else None
    raise UserError(
        f"{original.path.name} was trained on {lacking[0]}, which this machine does not have:"
        " run it where there is one; --here takes what there is"
    )


def plan_lines(planned: Rerun) -> list[str]:
    """What will be done, in words."""
    if planned.error:
        return [f"{planned.name}: cannot be made again: {planned.error}"]
    how = "today's code"
    if planned.commit:
        how = f"the code of commit {planned.commit[:8]}, in a temporary work tree"
    device = ["  on another device: the recorded one is not here"] if planned.device else []
    differs = (f"  differs today: {difference}" for difference in planned.differences)
    return [f"{planned.name}: made again with {how}", *device, *differs]


def environment_lines(planned: Rerun) -> list[str]:
    """The commands that recreate the recorded environment, if libraries or Python differ."""
    if not {"libraries", "python"} & {difference.kind for difference in planned.differences}:
        return []
    made = planned.original.provenance
    commit, python = made.get("git_commit"), _minor(made.get("python"))
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
