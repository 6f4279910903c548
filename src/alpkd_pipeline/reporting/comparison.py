"""The comparison of the students of a store: pages for people, tables for programs and papers.

Only cells count. Tuning trials and reruns are counted in a footnote and enter no mean; runs are
averaged only where nothing but the seed differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.garbage import collected_seldom
from alpkd_pipeline.reporting.collect import Evidence, gather
from alpkd_pipeline.reporting.comparison_page import comparison_page
from alpkd_pipeline.reporting.report.page import report_html
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.tables.latex import write_frames
from alpkd_pipeline.reporting.tables.main import grouped_table, students_table
from alpkd_pipeline.store.manifest import write_json

if TYPE_CHECKING:
    import pandas as pd

PAGE = "report.html"
"""The file for people."""

MARKDOWN = "comparison.md"

__all__ = ["gather", "write_comparison"]


def write_comparison(evidence: Evidence, out: Path) -> list[Path]:
    """Write the comparison for people and for programs.

    Args:
        evidence: what `gather` read.
        out: the folder, made if it is not there.

    Returns:
        report.html (to read), comparison.md (the same in short), comparison.json (all of it),
        students.csv (each run, trials and reruns too, told apart by the column `generation`),
        groups.csv (means over seeds), verdicts.csv, main.csv and tables.tex (the main tables).
    """
    out.mkdir(parents=True, exist_ok=True)
    # With a thousand runs in memory searches for garbage take a tenth of the time.
    with collected_seldom():
        return _write(evidence, out)


def _write(evidence: Evidence, out: Path) -> list[Path]:
    df, sources = evidence.runs, Sources(evidence)
    students, groups = students_table(df), grouped_table(df)
    page, markdown, tables = out / PAGE, out / MARKDOWN, out / "comparison.json"
    page.write_text(report_html(sources), encoding="utf-8", newline="\n")
    markdown.write_text(comparison_page(sources), encoding="utf-8", newline="\n")
    write_json(
        tables,
        {"students": _records(students), "groups": _records(groups), "left_out": evidence.left_out},
    )
    csv = [(df, out / "students.csv"), (groups, out / "groups.csv")]
    for frame, path in csv:
        frame.to_csv(path, index=False, lineterminator="\n")
    written = write_frames(sources.main, sources.verdicts, out)
    return [page, markdown, tables, *(path for _, path in csv), *written]


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON-ready values; what is missing is null, which plain JSON has no NaN for."""
    return list(json.loads(frame.to_json(orient="records", double_precision=15)))
