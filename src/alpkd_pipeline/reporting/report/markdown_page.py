"""The comparison as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator

from alpkd_pipeline.reporting.render.text import markdown
from alpkd_pipeline.reporting.report.page import warnings_of
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.tables.average import AVERAGE
from alpkd_pipeline.reporting.tables.in_short import choices, result_table, to_take
from alpkd_pipeline.reporting.tables.settings import settings_table
from alpkd_pipeline.reporting.tables.verdicts import (
    answers_in_words,
    family_text,
    looks_text,
    questions_table,
    verdict_rows,
    verdict_table,
)


def comparison_page(sources: Sources) -> str:
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
