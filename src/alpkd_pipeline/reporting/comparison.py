"""The comparison of all students of a store: each run, means over seeds, and the files of both.

Only cells count. Tuning trials and reruns are counted in a footnote and enter no mean; runs are
averaged only where nothing but the seed differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.collect import collect
from alpkd_pipeline.reporting.comparison_page import comparison_page
from alpkd_pipeline.reporting.comparison_tables import grouped_table, left_out, students_table
from alpkd_pipeline.runs.manifest import write_json

if TYPE_CHECKING:
    import pandas as pd

PAGE = "comparison.md"
"""The file for people."""

__all__ = ["collect", "grouped_table", "students_table", "write_comparison"]


def write_comparison(df: pd.DataFrame, out: Path) -> list[Path]:
    """Write the comparison for people and for programs.

    Args:
        df: what `collect` returned.
        out: the folder, made if it is not there.

    Returns:
        comparison.md (to read), comparison.json (all of it), students.csv (each run, trials and
        reruns too, told apart by the column `generation`), groups.csv (means over seeds).
    """
    out.mkdir(parents=True, exist_ok=True)
    students, groups = students_table(df), grouped_table(df)
    page, tables = out / PAGE, out / "comparison.json"
    page.write_text(comparison_page(df), encoding="utf-8", newline="\n")
    write_json(
        tables,
        {"students": _records(students), "groups": _records(groups), "left_out": left_out(df)},
    )
    csv = [(df, out / "students.csv"), (groups, out / "groups.csv")]
    for frame, path in csv:
        frame.to_csv(path, index=False, lineterminator="\n")
    return [page, tables, *(path for _, path in csv)]


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON-ready values; what is missing is null, which plain JSON has no NaN for."""
    return list(json.loads(frame.to_json(orient="records", double_precision=15)))
