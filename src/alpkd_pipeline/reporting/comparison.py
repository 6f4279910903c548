"""The comparison of the students of a store: pages for people, tables for programs and papers.

Only cells count. Tuning trials and reruns are counted in a footnote and enter no mean; runs are
averaged only where nothing but the seed differs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.render.text import latex, markdown
from alpkd_pipeline.reporting.report.page import report_html, warnings_of
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables.average import AVERAGE
from alpkd_pipeline.reporting.tables.in_short import choices, result_table, to_take
from alpkd_pipeline.reporting.tables.runs import grouped_table, settings_table, students_table
from alpkd_pipeline.reporting.tables.scores import main_frame
from alpkd_pipeline.reporting.tables.verdicts import (
    answers_in_words,
    family_text,
    looks_text,
    questions_table,
    verdict_frame,
    verdict_rows,
    verdict_table,
)
from alpkd_pipeline.reporting.terminal import PAGE
from alpkd_pipeline.store.manifest import as_json

if TYPE_CHECKING:
    import pandas as pd

_LISTS = ("runs", "baseline_runs")


def write_comparison(sources: Sources, out: Path) -> list[Path]:
    """Write the comparison for people and for programs into a folder, made if it is not there.

    Returns:
        report.html (to read), comparison.md (the same in short), comparison.json (all of it),
        students.csv (each run, trials and reruns too, told apart by the column `generation`),
        groups.csv (means over seeds), verdicts.csv, main.csv and tables.tex (the main tables).
    """
    out.mkdir(parents=True, exist_ok=True)
    evidence, keys = sources.evidence, sources.evidence.runs["key"]
    groups = grouped_table(evidence.runs)
    texts = {
        PAGE: report_html(sources),
        "comparison.md": _markdown_page(sources),
        "comparison.json": as_json(
            {
                "students": _records(students_table(evidence.runs)),
                "groups": _records(groups),
                "left_out": evidence.left_out,
            }
        ),
        "students.csv": csv_text(
            evidence.runs.assign(
                last_epoch=keys.map(sources.last_epoch),
                collapsed=keys.map(sources.judge.collapsed),
            )
        ),
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
    lists = [name for name in _LISTS if name in frame.columns]
    flat = frame.assign(**{name: frame[name].map(" ".join) for name in lists})
    text: str = flat.to_csv(None, index=False, lineterminator="\n")
    return text


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON-ready values; what is missing is null, which plain JSON has no NaN for."""
    return list(json.loads(frame.to_json(orient="records", double_precision=15)))


def _markdown_page(sources: Sources) -> str:
    """The result in short, scores, verdicts and settings; notes at the end. Runs are in the CSV."""
    return "\n".join(["# Comparison of students\n", *_parts(sources)])


def _parts(sources: Sources) -> Iterator[str]:
    if sources.cells.empty:
        yield "No student has been trained and scored yet.\n"
    else:
        found = list(choices(sources))
        yield "## In short\n"
        yield from (f"{answer}\n" for answer in answers_in_words(sources.first_questions))
        yield markdown(result_table(sources, found))
        yield "Which to take, by its best seed:\n"
        yield "".join(f"- {title}: {said}\n" for title, said in to_take(sources, found))
        yield from _scores(sources)
        if sources.verdicts:
            yield from _verdicts(sources)
        for task, table in sources.means_tables.items():
            yield f"## {task}, all metrics\n\n{markdown(table)}"
        yield f"## Settings\n\n{markdown(settings_table(sources))}"
    if notes := "".join(f"- {note}\n" for note in _notes(sources)):
        yield f"## Notes\n\n{notes}"


def _scores(sources: Sources) -> Iterator[str]:
    yield "## Scores\n"
    for name, table in sources.score_tables:
        yield f"### {name}\n\n{markdown(table)}"
        if table.note:
            yield f"{table.note}\n"
    said = (
        "Dev scores in percent, mean ± sample standard deviation over seeds. Bold: better than"
        " every other method of the column by tests over seeds, corrected for all pairs of columns."
    )
    if any(line["task"] == AVERAGE for line in sources.lines):
        said += (
            " Average: over the tasks that all students of the table have; rank: mean place among"
            " them, 1 is the best."
        )
    yield f"{said}{sources.on_errors}\n"


def _verdicts(sources: Sources) -> Iterator[str]:
    yield "## Verdicts\n"
    if sources.first_questions:
        yield f"### First questions\n\n{markdown(questions_table(sources.first_questions))}"
    for name, _, rows in verdict_rows(sources):
        yield f"### {name}\n\n{markdown(verdict_table(sources, name, rows))}"
    looks = sources.judge.plan.looks
    yield f"Verdicts: {family_text(sources.verdicts)}. {looks_text(looks) if looks else ''}\n"
    yield (
        "Difference: mean over shared seeds, in points. Interval: of the paired t, not corrected."
        " Detectable: the true difference that these seeds show with probability 80 %, by this test"
        " alone; in the family: at the first step of the correction.\n"
    )


def _notes(sources: Sources) -> Iterator[str]:
    yield from warnings_of(sources)
    if sources.evidence.cells["speed_up"].notna().any():
        yield (
            "Speed-up: the teacher's median time for one example over the student's; means only"
            " over times of one machine and setup, that of most students of the task."
        )
    if others := sources.evidence.left_out.items():
        counted = ", ".join(f"{name} {count}" for name, count in others)
        yield f"Runs of other kinds, counted but not shown: {counted}."
