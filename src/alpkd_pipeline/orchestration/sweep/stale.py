"""Why a cell that was there once has to be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import some
from alpkd_pipeline.orchestration.cell import TRAINING_LIBRARIES, Cell
from alpkd_pipeline.orchestration.presets import PresetInUse
from alpkd_pipeline.reporting.grouping import Found, Place, findings, study_of
from alpkd_pipeline.store import diff
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.layout import search_records
from alpkd_pipeline.store.run_folder import RunFolder, finished_below, newest_first

MOST_NAMES = 4
"""How many parameters are named."""


class EarlierStudents:
    """The finished students of a store, by the part of their names that is not a key."""

    def __init__(self) -> None:
        self._folders = cache(lambda place: newest_first(finished_below(place)))
        self._studies = cache(_studies)

    def like(self, cell: Cell) -> list[Mapping[str, Any]]:
        """The run.json of each finished student with the coordinates of a cell, newest first."""
        place, name = cell.student.expected.parent, _without_key(cell.student.expected)
        same = [folder for folder in self._folders(place) if _without_key(folder.path) == name]
        seed = cell.params.teacher.seed
        runs = filter(None, map(_run_of, same))
        return [run for run in runs if run["params"]["teacher"].get("seed") == seed]

    def search_of(self, run: Mapping[str, Any], store: Path) -> str | None:
        """The search that found a student's numbers."""
        found = study_of(run, self._studies(store))
        return found.search if found else None


def _studies(store: Path) -> Mapping[Place, Sequence[Found]]:
    try:
        return findings(search_records(store))
    except (LookupError, TypeError, ValueError, AttributeError):  # a damaged record
        return {}


def _without_key(folder: Path) -> str:
    return folder.name.rpartition("-")[0]


def _run_of(folder: RunFolder) -> dict[str, Any] | None:
    try:
        found = folder.run
        return found if found["params"] and found["identity"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
    then, now = earlier.search_of(run, cell.store), preset.name if preset else None
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
