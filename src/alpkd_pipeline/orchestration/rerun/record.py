"""The records of reruns below the store: for programs, for people, and for the next rerun."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from alpkd_pipeline.coordinates import matches
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.rerun.original import StoredRun, read_run
from alpkd_pipeline.orchestration.rerun.result import RerunResult, report_page
from alpkd_pipeline.orchestration.rerun.verdict import DRIFTED, FAILED, Verdict
from alpkd_pipeline.store.layout import COMPARISONS, RERUN_REPORTS
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import RunFolder, finished_below, newest_first, verify

DATA = "rerun.json"
PAGE = "report.md"


def write_record(store: Path, result: RerunResult, command: str) -> Path:
    """Write `rerun.json` and `report.md` into a folder of their own; gives the report."""
    folder = store / RERUN_REPORTS / f"{result.time}-{result.of[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(report_page(result, command), encoding="utf-8", newline="\n")
    # Last: a record that can be read is a whole one.
    write_json(folder / DATA, {**plain(result), "command": command})
    return page


def plain(result: RerunResult) -> dict[str, Any]:
    """A result as JSON-ready values, with what follows from them: readers need not compute it."""
    return {
        **asdict(result),
        "schema": 1,
        "verdict": result.verdict,
        "seconds": round(result.seconds, 1),
        "cells": [
            {
                **asdict(cell),
                "models": [
                    {**asdict(model), "difference": model.difference, "verdict": model.verdict}
                    for model in cell.models
                ],
                "verdict": cell.verdict,
                "something_else": list(cell.something_else),
            }
            for cell in result.cells
        ],
    }


def last_verdicts(store: Path) -> dict[str, Verdict]:
    """The key of each original that was made again -> the verdict of the last time.

    A rerun that failed says nothing about the original, so that it takes no verdict back.
    """
    found: dict[str, Verdict] = {}
    for path in sorted((store / RERUN_REPORTS).glob(f"*/{DATA}")):
        try:
            cells = {cell["original"]: cell["verdict"] for cell in read_json(path)["cells"]}
            found |= {key: verdict for key, verdict in cells.items() if verdict != FAILED}
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a record that cannot be read says nothing
    return found


class Green(NamedTuple):
    """A comparison to repeat, its students that were asked for, and why newer ones are not."""

    folder: Path
    key: str
    runs: Sequence[StoredRun]
    passed_over: Sequence[str]


def latest_green(store: Path, where: Mapping[str, Any]) -> Green:
    """The newest green comparison that has cells of the wanted kind.

    Green is a comparison whose files are what was sealed, whose students' and their teachers' files
    are too, and none of whose students drifted the last time that it could be made again. `where`
    says which cells, as for `matches`; an empty one: all of them. A UserError says that there is no
    comparison, none with such cells, or none that is green.
    """
    passed_over: list[str] = []
    verdicts = last_verdicts(store)
    for comparison in newest_first(finished_below(store / COMPARISONS)):
        try:
            runs = _green_runs(comparison, store, where, verdicts)
            return Green(comparison.path, comparison.key, runs, passed_over)
        except UserError as error:
            passed_over.append(f"comparison {comparison.path.name} is passed over: {error}")
    if not passed_over:
        raise UserError(
            f"no comparison in {store / COMPARISONS}: `kedro run --pipeline=compare` makes one"
        )
    raise UserError(f"no green comparison: {'; '.join(passed_over)}")


def _green_runs(
    comparison: RunFolder, store: Path, where: Mapping[str, Any], verdicts: Mapping[str, Verdict]
) -> list[StoredRun]:
    verify(comparison.path)
    try:
        students = list(comparison.json("comparison.json")["students"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"its comparison.json cannot be read ({error!r})") from None
    rows = [row for row in students if matches(where, row)]
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
