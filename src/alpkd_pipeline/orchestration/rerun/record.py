"""The records of reruns below the store: for programs, for people, and for the next rerun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.parameters import matches
from alpkd_pipeline.orchestration.rerun.original import StoredRun, read_run
from alpkd_pipeline.orchestration.rerun.verdict import (
    DRIFTED,
    FAILED,
    CellResult,
    RerunResult,
    Verdict,
)
from alpkd_pipeline.orchestration.rerun.words import report_page
from alpkd_pipeline.store.finished import FinishedFolder, verify
from alpkd_pipeline.store.manifest import MANIFEST, read_json, write_json

REPORTS = "08_reporting/reruns"
DATA = "rerun.json"
PAGE = "report.md"


def write_record(store: Path, result: RerunResult, command: str) -> Path:
    """Write `rerun.json` and `report.md` into a folder of their own.

    Args:
        store: the store of the originals.
        result: what was found.
        command: the command line.

    Returns:
        The report.
    """
    folder = store / REPORTS / f"{result.time}-{result.of[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(report_page(result, command), encoding="utf-8", newline="\n")
    # Last: a record that can be read is a whole one.
    write_json(folder / DATA, {**plain(result), "command": command})
    return page


def plain(result: RerunResult) -> dict[str, Any]:
    """A result as JSON-ready values."""
    return {
        "schema": 1,
        "time": result.time,
        "of": result.of,
        "verdict": result.verdict,
        "seconds": round(result.seconds, 1),
        "kept": result.kept,
        "notes": list(result.notes),
        "cells": [_cell(cell) for cell in result.cells],
    }


def _cell(cell: CellResult) -> dict[str, Any]:
    values = asdict(cell)
    # The rows of a comparison, with what follows from them, so that readers need not compute it.
    values["models"] = [
        {
            **asdict(model.found),
            "band": asdict(model.band) if model.band else None,
            "difference": model.difference,
            "verdict": model.verdict,
        }
        for model in cell.models
    ]
    return {**values, "verdict": cell.verdict, "something_else": list(cell.something_else)}


def last_verdicts(store: Path) -> dict[str, Verdict]:
    """The key of each original that was made again -> the verdict of the last time.

    A rerun that failed says nothing about the original, so that it takes no verdict back.
    """
    found: dict[str, Verdict] = {}
    for path in sorted((store / REPORTS).glob(f"*/{DATA}")):
        try:
            cells = {cell["original"]: cell["verdict"] for cell in read_json(path)["cells"]}
            found |= {key: verdict for key, verdict in cells.items() if verdict != FAILED}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a record that cannot be read says nothing
    return found


COMPARISONS = "08_reporting/comparison"


@dataclass(frozen=True, slots=True)
class Green:
    """A comparison to repeat.

    Attributes:
        folder: the comparison's folder.
        key: its key.
        runs: its students that were asked for.
        passed_over: newer comparisons that are not green, and why.
    """

    folder: Path
    key: str
    runs: Sequence[StoredRun]
    passed_over: Sequence[str]


def latest_green(store: Path, where: Mapping[str, Any]) -> Green:
    """The newest green comparison that has cells of the wanted kind.

    Green is a comparison whose files are what was sealed, whose students' and their teachers' files
    are too, and none of whose students drifted the last time that it could be made again.

    Args:
        store: the folder of all results.
        where: which cells, as for `where.matches`; an empty one: all of them.

    Raises:
        UserError: there is no comparison, none with such cells, or none that is green.
    """
    passed_over: list[str] = []
    verdicts = last_verdicts(store)
    for folder in _newest_first(store):
        try:
            runs = _green_runs(folder, store, where, verdicts)
        except UserError as error:
            passed_over.append(f"comparison {folder.name} is passed over: {error}")
            continue
        return Green(folder, FinishedFolder(folder).key, runs, passed_over)
    if not passed_over:
        raise UserError(
            f"no comparison in {store / COMPARISONS}: `kedro run --pipeline=compare` makes one"
        )
    raise UserError(f"no green comparison: {'; '.join(passed_over)}")


def _newest_first(store: Path) -> list[Path]:
    found = list((store / COMPARISONS).glob(f"*/{MANIFEST}"))
    found.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    return [path.parent for path in found if path.parent.name[0] != "."]


def _green_runs(
    folder: Path, store: Path, where: Mapping[str, Any], verdicts: Mapping[str, Verdict]
) -> list[StoredRun]:
    verify(folder)
    rows = [row for row in _students(folder) if matches(where, row)]
    if not rows:
        raise UserError("it has no student that fits the filter")
    for row in rows:
        verify(store / row["path"])
        if verdicts.get(row["key"]) == DRIFTED:
            raise UserError(
                f"the last rerun of {Path(row['path']).name} drifted; once that is understood,"
                f" `kedro rerun {row['key'][:8]}` that does not drift makes it green again"
            )
    runs = [read_run(store / row["path"]) for row in rows]
    # Students share teachers, which are large: each is read once.
    for teacher in dict.fromkeys(run.teacher_folder for run in runs):
        if teacher is not None:
            verify(teacher)
    return runs


def _students(folder: Path) -> list[dict[str, Any]]:
    try:
        return list(FinishedFolder(folder).json("comparison.json")["students"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"its comparison.json cannot be read ({error!r})") from None
