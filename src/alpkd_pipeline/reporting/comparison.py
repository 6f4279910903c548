"""The comparison of the students of a store: pages for people, tables for programs and papers.

Only experiments count. Tuning trials and reruns are counted in a footnote and enter no mean; runs
are averaged only where nothing but the seed differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.render import latex
from alpkd_pipeline.reporting.report.page import report_html, report_markdown, report_sections
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables.runs import grouped_table, students_table
from alpkd_pipeline.reporting.tables.scores import main_frame
from alpkd_pipeline.reporting.tables.verdicts import verdict_frame
from alpkd_pipeline.reporting.terminal import PAGE
from alpkd_pipeline.store.manifest import as_json

if TYPE_CHECKING:
    import pandas as pd


def write_comparison(sources: Sources, out: Path) -> list[Path]:
    """Write the comparison for people and for programs into a folder, made if it is not there.

    Returns:
        report.html (to read), comparison.md (the same in short), comparison.json (all of it),
        students.csv (each run, trials and reruns too, told apart by the column `generation`),
        groups.csv (means over seeds), verdicts.csv, main.csv and tables.tex (the main tables).
    """
    out.mkdir(parents=True, exist_ok=True)
    evidence, keys = sources.evidence, sources.evidence.runs["key"]
    groups, made = grouped_table(evidence.runs), report_sections(sources)
    last, collapsed = keys.map(sources.last_epoch), keys.map(sources.judge.collapsed)
    records = {"students": _records(students_table(evidence.runs)), "groups": _records(groups)}
    texts = {
        PAGE: report_html(sources, made),
        "comparison.md": report_markdown(made),
        "comparison.json": as_json(records | {"left_out": evidence.left_out}),
        "students.csv": csv_text(evidence.runs.assign(last_epoch=last, collapsed=collapsed)),
        "groups.csv": csv_text(groups),
        "verdicts.csv": csv_text(verdict_frame(sources.verdicts)),
        "main.csv": csv_text(main_frame(sources.lines)),
        "tables.tex": latex(table for _, table in sources.score_tables),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", newline="\n")
    return [out / name for name in texts]


def csv_text(frame: pd.DataFrame) -> str:
    """The frame as CSV; keys of runs stand in one cell, with spaces between them."""
    lists = [name for name in ("runs", "baseline_runs") if name in frame.columns]
    flat = frame.assign(**{name: frame[name].map(" ".join) for name in lists})
    return str(flat.to_csv(None, index=False, lineterminator="\n"))


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON-ready values; what is missing is null, which plain JSON has no NaN for."""
    return list(json.loads(frame.to_json(orient="records", double_precision=15)))
