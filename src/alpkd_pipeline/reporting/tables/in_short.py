"""The result first: what is best, what is as good as it, which of these to take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.formats import millions
from alpkd_pipeline.reporting.statistics import words
from alpkd_pipeline.reporting.tables.measures import measured, timed_alike
from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Column,
    Table,
    TableCell,
    cells,
    numbers,
    plus_minus,
    points,
)

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.arms import Row
    from alpkd_pipeline.reporting.store import RunRecord

_UNSHOWN = (words.NOT_DISTINGUISHABLE, words.BETTER, words.BETTER_WITHIN)
AS_GOOD = (words.EQUAL, *_UNSHOWN)
"""Whoever is one of these beside the best may be taken in its place."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A task and depth, and which of its configurations to take."""

    title: str  # the task and depth
    best: Row  # of `best`
    take: Row  # of the best and those that are as good, the smallest, then the fastest
    run: RunRecord  # its student with the best score
    sizes: dict[str, float | None]  # its measures
    unseen: float | None  # a smaller lead could not have been seen


def choices(sources: Sources) -> Iterator[Choice]:
    """One for each task and depth, task by task, the deepest students first."""
    sizes = measured(timed_alike(sources.experiments))
    bests = {(row["task"], row["layers"]): row for row in sources.bests}
    for at in sorted(sources.task_depths, key=lambda at: (at[0], -at[1])):
        best = bests[at]
        as_good = [
            arm
            for arm in sources.by_task_depth[at]
            if arm["arm"] == best["arm"] or best["rivals"].get(arm["label"]) in AS_GOOD
        ]
        far = float("inf")
        take = min(
            as_good,
            key=lambda arm: (
                sizes[arm["arm"]]["parameters"] or far,
                sizes[arm["arm"]]["latency_ms"] or far,
                -arm["sign"] * arm["mean"],
            ),
        )
        run = max(sources.students(take), key=lambda r: take["sign"] * (r.primary_score or 0.0))
        seen = [
            row["detectable_family"]
            for row in sources.verdicts
            if (row["task"], row["layers"]) == at and row["detectable_family"] is not None
        ]
        unseen = median(seen) if seen else None
        yield Choice(sources.title(at), best, take, run, sizes[take["arm"]], unseen)


def result_table(sources: Sources, found: Sequence[Choice]) -> Table:
    """Which configuration is best, and what all others are beside it."""

    def best(choice: Choice) -> TableCell:
        row = choice.best
        score = plus_minus(row["mean"], row["std"], row["metric"])
        return TableCell(
            f"{row['label']} {score}",
            mark=row["method"],
            href=sources.runs_of(row["runs"]),
            strong=bool(row["bold"]),
            small="" if row["bold"] else "the highest mean, not shown to be the best",
        )

    def of_kinds(heading: str, *kinds: str) -> Column:
        def names(choice: Choice) -> TableCell:
            rivals = choice.best["rivals"].items()
            said = ", ".join(label for label, kind in rivals if kind in kinds)
            return TableCell(said or MISSING, tone="prose")

        return Column(heading, names)

    def unseen(choice: Choice) -> str:
        if choice.unseen is None:
            return MISSING
        return f"below {points(choice.unseen, metric=choice.best['metric'])}"

    def margin(choice: Choice) -> str:
        size = sources.judge.plan.margin_of(choice.best["metric"], choice.best["sign"])
        return MISSING if size is None else words.margin_text(size, choice.best["sign"])

    columns = [
        Column("students", lambda choice: choice.title),
        Column("best", best),
        of_kinds("equal to it", words.EQUAL),
        of_kinds("not distinguishable from it", *_UNSHOWN),
        of_kinds("worse", words.WORSE, words.WORSE_WITHIN),
        of_kinds("nothing can be said of", words.NOTHING),
        numbers("margin", margin, "differences within it count as equal"),
        numbers(
            "could not be seen", unseen, "leads over a baseline, in the median pair of the column"
        ),
    ]
    return Table("Which is best", columns, [Body(cells(columns, found))]).without_empty()


def to_take(sources: Sources, found: Sequence[Choice]) -> Iterator[tuple[str, str]]:
    """Of the best and all that are as good, the smallest and fastest: what, where, made by what."""
    for choice in found:
        run, sizes, metric = choice.run, choice.sizes, choice.take["metric"]
        known = [f"score {points(run.primary_score, metric=metric)}"]
        known += [f"{millions(sizes['parameters'])} parameters"] if sizes["parameters"] else []
        known += [f"{sizes['latency_ms']:.1f} ms an example"] if sizes["latency_ms"] else []
        of_claim = " of a claim, without weights" if sources.of_claim(run.key) else ""
        command = run.run.get("command")
        yield (
            choice.title,
            f"{choice.take['label']}, seed {run.run['params']['seed']} ({', '.join(known)}):"
            f" `{run.folder}`{of_claim}" + (f", made by `{command}`" if command else ""),
        )
