"""How many seeds an experiment needs, from the noise of runs that are there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.reporting.statistics.borrowed import residual
from alpkd_pipeline.reporting.statistics.family import LEVEL, planned_share
from alpkd_pipeline.reporting.statistics.pairing import Row
from alpkd_pipeline.reporting.statistics.power import seeds_to_equal, seeds_to_see, upper_sd
from alpkd_pipeline.reporting.statistics.verdict import held_against
from alpkd_pipeline.reporting.statistics.words import margin_text


def pairs_of(columns: Sequence[Sequence[str]]) -> int:
    """How many pairs a report tests of these methods, the columns of all tasks and depths."""
    return sum(
        len(set(held_against(method)) & set(methods)) for methods in columns for method in methods
    )


def seeds_needed(sources: Sources, tasks: Sequence[str], pairs: int) -> Iterator[str]:
    """For each task how many seeds show 1 and 2 points, and that equal methods are equal.

    The standard deviation of a difference is that of the task's runs, pooled over depths, at its
    upper 80 % limit; the level that of so many pairs, corrected together, and of one pair alone.
    """
    for task in tasks:
        rows = [row for row in sources.found if row["task"] == task]
        noise = _noise(rows)
        if noise is None:
            yield f"seeds for {task}: no earlier runs over 2 or more seeds to take the noise from"
            continue
        sd, sign, plan = upper_sd(*noise), rows[0]["sign"], sources.judge.plan
        margin = plan.margin_of(rows[0]["metric"], sign)
        if margin is None:
            yield f"seeds for {task}: no margin for {rows[0]['metric']}, set compare.margin"
            continue
        # The last of several planned looks has the largest share of the level.
        share = planned_share(plan.looks, plan.looks[-1]) if plan.looks else 1.0
        point, level = 0.01 if sign > 0 else margin, plan.level * (share or 1.0) / pairs
        asked = (
            (f"to see {margin_text(point, sign)}", seeds_to_see, point),
            (margin_text(2 * point, sign), seeds_to_see, 2 * point),
            (f"to call equal within {margin_text(margin, sign)}", seeds_to_equal, margin),
        )
        parts = [
            f"{what} {_count(seeds(d / sd, level))} (alone {_count(seeds(d / sd, LEVEL))})"
            for what, seeds, d in asked
        ]
        size = f"{100 * sd:.1f} points" if sign > 0 else f"{sd:.3g}"
        known = plural(sum(len(row["runs"]) for row in rows), "earlier run")
        yield (
            f"seeds for {task}, sd of a difference {size} (80 % limit, by {known}), among {pairs}"
            f" pairs: {', '.join(parts)}"
        )


def _count(seeds: int | None) -> str:
    return "over 1,000" if seeds is None else str(seeds)


def _noise(rows: Sequence[Row]) -> tuple[float, float] | None:
    """The standard deviation of a difference and its degrees of freedom, pooled over columns."""
    columns: dict[tuple[int, str], list[Mapping[int, float]]] = {}
    for row in rows:
        columns.setdefault((row["layers"], row["setting"]), []).append(row["per_seed"])
    squares, freedom = 0.0, 0
    for column in columns.values():
        shared = sorted(set.intersection(*map(set, column)))
        df = (len(column) - 1) * (len(shared) - 1)
        if df > 0:
            squares += residual([[scores[seed] for seed in shared] for scores in column])
            freedom += df
    return (math.sqrt(2 * squares / freedom), freedom) if freedom and squares else None
