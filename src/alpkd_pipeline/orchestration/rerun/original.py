"""The run that is to be made again, as its folder tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.statistics.answers import find_run
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.diff import differences
from alpkd_pipeline.store.layout import SCORES, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import is_complete, read_manifest
from alpkd_pipeline.store.run_folder import (
    Damage,
    RunFolder,
    finished_below,
    noted,
    results_of,
)
from alpkd_pipeline.tracking.settings import TrackingSettings, read_state


@dataclass(frozen=True)
class StoredRun:
    """A finished model: an original, what its rerun made, or the teacher of one of these."""

    folder: Path
    run: Mapping[str, Any]  # its run.json
    metrics: Mapping[str, Any]  # its metrics.json
    manifest: Mapping[str, Any]
    stage: str  # `teacher` or `student`
    key: str  # that the result was sealed with
    keys: Mapping[str, str]  # of everything that it was made from, and its own
    task: str  # the task's name
    environment: Mapping[str, Any]  # hardware, precision, threads and libraries of the training
    # commit, lock file, Python and libraries of the process that made it
    provenance: Mapping[str, Any]
    seconds: float  # how long it was trained

    @property
    def store(self) -> Path:
        """The store that it lies in."""
        return self.folder.parents[3]

    @property
    def teacher_folder(self) -> Path | None:
        """The folder of a student's teacher, whole or damaged, if it is still in the store."""
        key = self.keys.get("teacher", "")
        if self.stage != "student" or not key:
            return None
        sound, damages = list[Path](), list[Damage]()
        for folder in finished_below(self.store / TEACHERS / self.task):
            with noted(damages):
                if folder.key == key:
                    sound.append(folder.path)
        damaged = [d.folder for d in damages if d.folder.name.endswith(f"-{key[:8]}")]
        return next(iter([*sound, *damaged]), None)

    @property
    def teacher(self) -> StoredRun | None:
        """The teacher of a student, trained or brought, if the store has it with its manifest."""
        folder = self.teacher_folder
        return None if folder is None or read_manifest(folder) is None else read_model(folder)

    @property
    def scores(self) -> RunFolder | None:
        """The newest dev scores that were made of it; DamagedError where a manifest does not say
        any more what it was made from."""
        found = results_of(self.store / SCORES[0] / self.task, RunFolder(self.folder))
        return next(iter(found), None)


def read_run(folder: Path) -> StoredRun:
    """Read a finished training's folder; a UserError as in `read_model`, or if it was brought."""
    found = read_model(folder)
    if not Work(folder, found.run).trains:
        raise UserError(
            f"{folder.name} was brought and not trained here, so there is nothing to repeat: name a"
            " student, or a teacher that was fine-tuned here"
        )
    return found


def read_model(folder: Path) -> StoredRun:
    """Read the folder of a model, whether it was trained here or brought; a UserError if it cannot
    be read, is damaged, or lies in no store."""
    sealed = RunFolder(folder)
    try:
        run, metrics, manifest = sealed.run, sealed.metrics, sealed.manifest
        stage, key = str(run["stage"]), str(manifest["key"])
        dict(run["params"]["teacher"])  # asked for later: damage had better show now
        found = StoredRun(
            folder,
            run,
            metrics,
            manifest,
            stage,
            key,
            keys={**run["identity"].get("keys", {}), stage: key},
            task=str(run["task"]["name"]),
            environment=dict(metrics.get("environment") or {}),
            provenance=dict(run.get("provenance") or {}),
            seconds=float(metrics.get("seconds") or 0.0),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{folder} cannot be read ({error!r}): `kedro run` with its parameters makes it again"
        ) from None
    # A copy elsewhere would be compared without its teacher, its scores and its siblings.
    above = "/".join(part.name for part in reversed(list(folder.parents)[1:3]))
    if above not in (STUDENTS, TEACHERS):
        raise UserError(
            f"{folder} lies in no store (<store>/{STUDENTS}/<task>/): name the run in its store, or"
            " copy the whole store"
        )
    return found


def find_original(store: Path, text: str, settings: TrackingSettings | None) -> StoredRun:
    """The run that a person names: by 8 or more digits of its key, its folder's name, a path, or
    the id of its MLflow run (`settings` are None when tracking is off); a UserError if there is no
    such run, or it is not finished."""
    if not re.fullmatch("[0-9a-f]{32}", text):  # which the id of an MLflow run is
        return read_run(find_run(store, text))
    for kind in (STUDENTS, TEACHERS):
        for folder in sorted((store / kind).glob("*/*")):
            if read_state(folder).run_id == text and is_complete(folder):
                return read_run(folder)
    key = None
    try:
        return read_run(find_run(store, text))  # 32 digits of a key look the same
    except UserError:
        if settings is not None:
            from alpkd_pipeline.tracking.comparison import key_of_run

            key = key_of_run(text, settings)
    if key is None:
        raise UserError(
            f"no run '{text}': it is no key in {store}, and no MLflow run"
            f" {'while tracking is off' if settings is None else f'at {settings.shown}'} with the"
            " tag 'key'; name the run's folder"
        )
    return read_run(find_run(store, key))


Kind = Literal["code", "data", "libraries", "python", "parameters", "damage", "device", "threads"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was so then and is otherwise now."""

    kind: Kind
    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} -> {self.now}"


def after_running(then: StoredRun, now: StoredRun) -> list[Difference]:
    """What the trainings themselves recorded differently.

    The machine, builds of libraries, batches that were split and trainings that went on elsewhere.
    """
    changed = differences(then.environment, now.environment)
    names: list[tuple[Kind, str, str]] = [
        ("device", "device", "device"),
        ("device", "processor", "device_name"),
        ("device", "precision", "precision"),
        ("threads", "threads", "threads"),
        ("device", "attention kernel", "attention"),
    ]
    found = [
        Difference(kind, f"{what} of the {then.stage}", *map(str, changed[name]))
        for kind, what, name in names
        # The attention kernel is not in the records of older versions.
        if name in changed and (name in then.environment or name != "attention")
    ]
    found += [  # known reasons why not every bit can be the same, each once for each model
        Difference("device", f"{what} of the {then.stage}", tell(then), tell(now))
        for what, tell in (("batches", _split_batches), ("training", _places))
        if tell(then) != tell(now)
    ]
    return found + [
        Difference("libraries", name.removeprefix("libraries."), str(before), str(after))
        for name, (before, after) in changed.items()
        if name.startswith("libraries.") and before is not None
    ]


def _split_batches(run: StoredRun) -> str:
    short = run.metrics.get("memory") or ()
    told = [f"{e.get('rows')} of {e.get('instead_of')} rows ({e.get('doing')})" for e in short]
    return f"split for lack of memory, {', '.join(told)} at once" if told else "whole"


def _places(run: StoredRun) -> str:
    moves = run.metrics.get("resumed_on") or ()
    told = [f"after step {m.get('after_step')} with {_changes(m.get('differs'))}" for m in moves]
    return f"gone on with elsewhere: {'; '.join(told)}" if told else "in one place"


def _changes(differs: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {now}, was {old}" for name, (old, now) in (differs or {}).items())
