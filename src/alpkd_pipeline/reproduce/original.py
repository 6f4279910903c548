"""The run that is to be made again, as its folder tells it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import find_run
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.diff import differences
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import is_complete, read_manifest
from alpkd_pipeline.store.run_folder import RunFolder, finished_below, with_key
from alpkd_pipeline.tracking.settings import TrackingSettings, read_state


class StoredRun(RunFolder):
    """A finished model, trained here or brought: an original, what its rerun made, or the teacher
    of one of these. Making one is a UserError if it cannot be read, is damaged, or lies in no
    store."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            # All that is asked for later: damage had better show now.
            needed = [self.run, self.metrics, self.stage, self.manifest["key"]]
            needed += [dict(self.run["params"]["teacher"]), dict(self.keys), self.task]
            needed += [self.environment, self.provenance, self.seconds]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} cannot be read ({error!r}): `kedro run` with its parameters makes it again"
            ) from None
        # A copy elsewhere would be compared without its teacher, its scores and its siblings.
        if "/".join(part.name for part in path.parents[2:0:-1]) not in (STUDENTS, TEACHERS):
            raise UserError(
                f"{path} lies in no store (<store>/{STUDENTS}/<task>/): name the run in its store,"
                " or copy the whole store"
            )

    @property
    def stage(self) -> str:
        """`teacher` or `student`."""
        return str(self.run["stage"])

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.run["task"]["name"])

    @property
    def seconds(self) -> float:
        """How long it was trained."""
        return float(self.metrics.get("seconds") or 0.0)

    @property
    def teacher_folder(self) -> Path | None:
        """The folder of a student's teacher, whole or damaged, if it is still in the store."""
        key = self.keys.get("teacher", "")
        if self.stage != "student" or not key:
            return None
        sound, damages = with_key(finished_below(self.beside(TEACHERS)), key)
        return next(iter([*(f.path for f in sound), *(d.folder for d in damages)]), None)

    @property
    def teacher(self) -> StoredRun | None:
        """The teacher of a student, trained or brought, if the store has it with its manifest."""
        folder = self.teacher_folder
        return None if folder is None or read_manifest(folder) is None else StoredRun(folder)


def read_run(folder: Path) -> StoredRun:
    """Read a finished training's folder; a UserError as for `StoredRun`, or if it was brought."""
    found = StoredRun(folder)
    if not Work(folder, found.run).trains:
        raise UserError(
            f"{folder.name} was brought and not trained here, so there is nothing to repeat: name a"
            " student, or a teacher that was fine-tuned here"
        )
    return found


def find_original(store: Path, text: str, settings: TrackingSettings | None) -> StoredRun:
    """The run that a person names: by 8 or more digits of its key, its folder's name, a path, or
    the id of its MLflow run (`settings` are None when tracking is off); a UserError if there is no
    such run, or it is not finished."""
    if not re.fullmatch("[0-9a-f]{32}", text):  # which the id of an MLflow run is
        return read_run(find_run(store, text))
    for folder in chain(*(finished_below(store / kind, "*/*") for kind in (STUDENTS, TEACHERS))):
        if read_state(folder.path).run_id == text and is_complete(folder.path):
            return read_run(folder.path)
    try:
        return read_run(find_run(store, text))  # 32 digits of a key look the same
    except UserError:
        from alpkd_pipeline.tracking.comparison import key_of_run

        key = None if settings is None else key_of_run(text, settings)
    if key is None:
        raise UserError(
            f"no run '{text}': it is no key in {store}, and no MLflow run"
            f" {'while tracking is off' if settings is None else f'at {settings.shown}'} with the"
            " tag 'key'; name the run's folder"
        )
    return read_run(find_run(store, key))


DifferenceKind = Literal[
    "code", "data", "libraries", "python", "parameters", "damage", "device", "threads"
]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was so then and is otherwise now."""

    kind: DifferenceKind
    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} -> {self.now}"


def after_running(then: StoredRun, now: StoredRun) -> list[Difference]:
    """What the trainings themselves recorded differently. The machine, builds of libraries, batches
    that were split and trainings that went on elsewhere."""
    found = []
    for what, (before, after) in differences(_conditions(then), _conditions(now)).items():
        library = what.startswith("libraries.")
        # Not everything is in the records of older versions.
        if before is not None or not (library or what.startswith("attention")):
            kind: DifferenceKind = "threads" if what.startswith("threads") else "device"
            name = what.removeprefix("libraries.")
            kind = "libraries" if library else kind
            found.append(Difference(kind, name, str(before), str(after)))
    return found


def _conditions(run: StoredRun) -> dict[str, Any]:
    """What may keep a training from being the same to the bit, each under its name for people."""
    names = ("device", "device_name", "precision", "threads", "attention")
    short, moves = (run.metrics.get(name) or () for name in ("memory", "resumed_on"))
    parts = [f"{e.get('rows')} of {e.get('instead_of')} rows ({e.get('doing')})" for e in short]
    split, moved = ", ".join(parts), "; ".join(map(_move, moves))
    told = {
        **{name: run.environment.get(name) for name in names},
        "batches": f"split for lack of memory, {split} at once" if split else "whole",
        "training": f"gone on with elsewhere: {moved}" if moved else "in one place",
    }
    called = {"device_name": "processor", "attention": "attention kernel"}
    found = {f"{called.get(name, name)} of the {run.stage}": value for name, value in told.items()}
    return {**found, "libraries": run.environment.get("libraries") or {}}


def _move(move: Mapping[str, Any]) -> str:
    differs = (move.get("differs") or {}).items()
    told = ", ".join(f"{name} {now}, was {old}" for name, (old, now) in differs)
    return f"after step {move.get('after_step')} with {told}"
