"""The comparison as a Markdown page."""

from __future__ import annotations

from collections.abc import Iterator

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.render.text import markdown
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.paired import ENOUGH_SEEDS
from alpkd_pipeline.reporting.tables.average import AVERAGE
from alpkd_pipeline.reporting.tables.runs import each_table, means_table
from alpkd_pipeline.reporting.tables.verdicts import (
    family_text,
    questions_table,
    verdict_rows,
    verdict_table,
)

_MEANINGS = (
    "Difference: mean over shared seeds, in points. Interval: of the paired t, not corrected."
    " Detectable: the true difference that these seeds show with probability 80 %, by this test"
    " alone; in the family: at the first step of the correction.\n"
)


def comparison_page(sources: Sources) -> str:
    """Scores and verdicts, then a section for each task with each run; notes at the end."""
    runs = sources.evidence.cells
    parts = ["# Comparison of students\n"]
    if runs.empty:
        parts.append("No student has been trained and scored yet.\n")
    else:
        parts += [*_scores(sources), *_verdicts(sources)]
    for task, of_task in runs.groupby("task"):
        parts.append(f"## {task}\n")
        arms = [arm for arm in sources.arms if arm["task"] == task]
        if arms:
            table = markdown(means_table(arms, of_task))
            seeds = _seed_line([arm["n"] for arm in arms])
            parts.append(f"### Means over seeds\n\n{table}\n{seeds}")
        parts.append(f"### Each student\n\n{markdown(each_table(of_task))}")
    notes = list(_notes(sources))
    if notes:
        parts.append("## Notes\n\n" + "".join(f"- {note}\n" for note in notes))
    return "\n".join(parts)


def _scores(sources: Sources) -> Iterator[str]:
    yield "## Scores\n"
    for name, table in sources.score_tables:
        yield f"### {name}\n"
        yield markdown(table)
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
    if not sources.verdicts:
        return
    yield "## Verdicts\n"
    if sources.first_questions:
        yield f"### First questions\n\n{markdown(questions_table(sources.first_questions))}"
    for name, _, rows in verdict_rows(sources):
        yield f"### {name}\n"
        yield markdown(verdict_table(sources, name, rows))
    yield f"Verdicts: {family_text(sources.verdicts)}.\n"
    yield _MEANINGS


def _seed_line(seeds: list[int]) -> str:
    few, most = [n for n in seeds if n < ENOUGH_SEEDS], max(seeds)
    lines = ["Mean ± sample standard deviation over seeds."] if most > 1 else []
    if len(few) == len(seeds):
        lines.append(f"{plural(most, 'seed')}: nothing can be said about differences.")
    elif few:
        lines.append(
            f"{len(few)} of {len(seeds)} rows rest on fewer than {ENOUGH_SEEDS} seeds:"
            " nothing can be said about their differences."
        )
    return "\n".join(lines) + "\n"


def _notes(sources: Sources) -> Iterator[str]:
    runs, others = sources.evidence.cells, sources.evidence.left_out
    if (runs["selection"] == "dev").any():
        yield (
            "The best epoch was chosen on the dev split whose score is shown, as the papers do:"
            " these scores are optimistic."
        )
    if any(arm["arm_differs"] for arm in sources.arms):
        yield (
            "Runs of one method and depth that differ in more than the student's and the teacher's"
            " seed are never averaged; the column `differs` says in what."
        )
    if runs["speed_up"].notna().any():
        yield (
            "Speed-up: the teacher's median time for one example over the student's; means only"
            " over times of one machine and setup, that of most students of the task."
        )
    if others:
        counted = ", ".join(f"{name} {count}" for name, count in others.items())
        yield f"Runs of other kinds, counted but not shown: {counted}."
