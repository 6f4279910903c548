"""The records of reruns below the store: for programs, for people, and for the next rerun."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.rerun.verdict import (
    FAILED,
    CellResult,
    RerunResult,
    Verdict,
)
from alpkd_pipeline.orchestration.rerun.words import report_page
from alpkd_pipeline.runs.manifest import read_json, write_json

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
