"""Why a cell that was there once has to be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import some
from alpkd_pipeline.project.cell import TRAINING_LIBRARIES, Cell
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.reporting.grouping import Found, Place, findings, study_of
from alpkd_pipeline.store import diff
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.layout import search_records
from alpkd_pipeline.store.run_folder import finished_below, newest_first

MOST_NAMES = 4
"""How many parameters are named."""


class EarlierStudents:
    """The finished students of a store, by the part of their names that is not a key."""

    def __init__(self) -> None:
        self._folders = cache(lambda place: newest_first(finished_below(place)))
        self.studies = cache(_studies)  # that searches have recorded, by store

    def like(self, cell: Cell) -> list[Mapping[str, Any]]:
        """The run.json of each finished student with the coordinates of a cell, newest first."""
        place, seed, found = cell.student.expected, cell.params.teacher.seed, list[Any]()
        for folder in self._folders(place.parent):
            if folder.path.name.rpartition("-")[0] == place.name.rpartition("-")[0]:
                with suppress(OSError, ValueError, KeyError, TypeError):  # of another shape
                    run = folder.run
                    if run["identity"] and run["params"]["teacher"]["seed"] == seed:
                        found.append(run)
        return found


def _studies(store: Path) -> Mapping[Place, Sequence[Found]]:
    try:
        return findings(search_records(store))
    except (LookupError, TypeError, ValueError, AttributeError):  # a damaged record
        return {}


def why_stale(
    cell: Cell, earlier: EarlierStudents, preset: PresetInUse | None = None
) -> tuple[str, ...]:
    """What tells a cell from the most similar student that was finished before.

    Gives words such as `code`, `data`, `teacher`, `parameters (training.lr)`, `libraries (torch)`
    and `made without preset tune-base-32c1e07c`; none if there was no such student.
    """
    rivals = [(differences(cell, run), run) for run in earlier.like(cell)]
    if not rivals:
        return ()
    found, run = min(rivals, key=lambda rival: len(rival[0]))
    study = study_of(run, earlier.studies(cell.store))
    then, now = study.search if study else None, preset.name if preset else None
    if then and then != now:
        return (*found, f"made with preset {then}" + (f", not {now}" if now else ""))
    was = diff.flat(run["params"])
    if preset and any(was.get(name) != value for name, value in preset.settings.items()):
        return (*found, f"made without preset {now}" if not then else f"preset {now} has changed")
    return found


def differences(cell: Cell, run: Mapping[str, Any]) -> tuple[str, ...]:
    """What of a cell differs from a finished run."""
    now = {name: block for name, block in cell.params.plain().items() if name in run["params"]}
    # A parameter that was added since, and left at nothing, says nothing.
    changed = diff.differences(now, run["params"])
    params = [name for name in changed if name not in diff.PATHS_WITHOUT_EFFECT]
    then = (run.get("provenance") or {}).get("libraries") or {}
    versions = library_versions(TRAINING_LIBRARIES).items()
    libraries = [f"{n} {then[n]} -> {v}" for n, v in versions if then.get(n, v) != v]
    found = [f"parameters ({some(params, MOST_NAMES)})"] if params else []
    if run["identity"].get("code") != cell.student_code:
        found.append("code")
    if libraries:
        found.append(f"libraries ({', '.join(libraries)})")
    found += _changed_inputs(cell, run["identity"].get("keys") or {}, params)
    # What is left: the code of the signals, or a row of the table of methods.
    return tuple(found) or ("code",)


def _changed_inputs(cell: Cell, keys: Mapping[str, str], params: list[str]) -> list[str]:
    """The data or else the teacher, if they changed for another reason than parameters."""
    if keys.get("splits") != cell.splits.key or keys.get("encoded") != cell.encoded.key:
        about_data = any(name.startswith(("task.", "teacher.model")) for name in params)
        return [] if about_data else ["data"]
    about_teacher = any(name.startswith("teacher.") for name in params)
    return ["teacher"] if keys.get("teacher") != cell.teacher.key and not about_teacher else []
