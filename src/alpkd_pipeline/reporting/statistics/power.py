"""What a comparison could have seen, and how many seeds the next one needs.

The noise is not known but estimated, so power is averaged over what the estimate may be: the
non-central t, as an integral over the normal deviate of the mean. (The sum of two quantiles of t,
often used for it, has a power of 70 instead of 80 % with few seeds.)
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.reporting.statistics.summary import residual
from alpkd_pipeline.reporting.statistics.verdict import SEEN, held_against
from alpkd_pipeline.reporting.statistics.words import LEVEL, Plan, margin_text, planned_share

POWER = 0.8
"""What can be seen is found with this probability."""

_Z = np.linspace(-8.5, 8.5, 69)
_MOST_SEEDS = 1536


def detectable(df: Sequence[float], level: float | np.ndarray) -> np.ndarray:
    """The smallest true difference, in standard errors, that a two-sided t test at this level finds
    with probability `POWER`; one for each number of degrees of freedom, (N,). A level may be given
    for each, too.
    """
    from scipy.special import stdtrit

    freedom = np.asarray(df, dtype=np.float64)
    critical = stdtrit(freedom, 1 - level / 2)
    low, high = np.zeros_like(freedom), 3 * critical + 3
    for _ in range(30):
        middle = (low + high) / 2
        found = _power(middle, freedom, critical) >= POWER
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return np.asarray(high)


def add_detectable(rows: list[Row], plan: Plan) -> list[Row]:
    """Add to rows of `verdicts` the smallest true differences that they could have shown.

    `detectable`: by the test alone, at 5 %; `detectable_family`: at the first step of the report's
    correction; a planned look has its share of both levels. `detectable_low` and
    `detectable_high`: the 95 % range of both as factors, because the noise was only estimated. None
    where no test was made.
    """
    tested = [row for row in rows if row["df"] is not None]
    df, error = [row["df"] for row in tested], np.array([row["error"] for row in tested])
    if tested:
        shares = np.array([planned_share(plan.looks, row["n"]) for row in tested], np.float64)
        alone = detectable(df, LEVEL * shares)
        family = detectable(df, plan.level * shares / len(tested))
        columns = (alone * error, family * error, *sd_range(df).T)
        for row, *found in zip(tested, *(column.tolist() for column in columns), strict=True):
            row.update(zip(SEEN, found, strict=True))
    return rows


def sd_range(df: Sequence[float]) -> np.ndarray:
    """The 95 % interval of a standard deviation as factors of the one that was seen, (N, 2)."""
    from scipy.special import chdtri

    freedom = np.asarray(df, dtype=np.float64)
    return np.sqrt(freedom[:, None] / np.stack([chdtri(freedom, p) for p in (0.025, 0.975)], 1))


def upper_sd(sd: float, df: float) -> float:
    """The 80 % upper limit of a standard deviation that was seen with so many degrees of freedom:
    an experiment that is planned from the sd itself is too small half of the time.
    """
    from scipy.special import chdtri

    return sd * math.sqrt(df / float(chdtri(df, 0.8)))


@cache
def seeds_to_see(difference: float, level: float) -> int | None:
    """How many shared seeds a paired t test at this level needs to find a true difference, in
    standard deviations of differences; None where `_MOST_SEEDS` are too few.
    """
    from scipy.special import stdtrit

    def enough(n: int) -> bool:
        critical = stdtrit(n - 1, 1 - level / 2)
        return bool(_power(difference * math.sqrt(n), n - 1, critical) >= POWER)

    return _fewest(enough)


@cache
def seeds_to_equal(margin: float, level: float) -> int | None:
    """How many shared seeds two one-sided tests at this level need to call equal what is equal;
    the margin in standard deviations of differences.
    """
    from scipy.special import chdtr, stdtrit

    def enough(n: int) -> bool:
        room = margin * math.sqrt(n) - np.abs(_Z)
        below = np.maximum(room, 0.0) / stdtrit(n - 1, 1 - level)
        return bool(_over_z(chdtr(n - 1, (n - 1) * below**2)) >= POWER)

    return _fewest(enough)


def _fewest(enough: Callable[[int], bool]) -> int | None:
    seeds = bisect_left(range(_MOST_SEEDS + 1), True, lo=3, key=enough)
    return seeds if seeds <= _MOST_SEEDS else None


def _power(shift: Any, df: Any, critical: Any) -> Any:
    """P(|T| > critical) where the true difference is so many standard errors."""
    from scipy.special import chdtr

    shift, df, critical = (
        np.asarray(x, dtype=np.float64)[..., None] for x in (shift, df, critical)
    )
    return _over_z(chdtr(df, df * ((_Z + shift) / critical) ** 2))


def _over_z(values: Any) -> Any:
    weights = np.exp(-(_Z**2) / 2)
    return (values * weights).sum(-1) / weights.sum()


def pairs_of(columns: Sequence[Sequence[str]]) -> int:
    """How many pairs a report tests of these methods, the columns of all tasks and depths."""
    return sum(
        len(set(held_against(method)) & set(methods)) for methods in columns for method in methods
    )


def seeds_needed(
    arms: Sequence[Row], plan: Plan, tasks: Sequence[str], pairs: int
) -> Iterator[str]:
    """For each task how many seeds show 1 and 2 points, and that equal methods are equal.

    The standard deviation of a difference is that of the task's runs, pooled over depths, at its
    upper 80 % limit; the level that of so many pairs, corrected together, and of one pair alone.
    """
    for task in tasks:
        rows = [row for row in arms if row["task"] == task]
        if (noise := _noise(rows)) is None:
            yield f"seeds for {task}: no earlier runs over 2 or more seeds to take the noise from"
            continue
        sd, sign = upper_sd(*noise), rows[0]["sign"]
        margin = plan.margin_of(rows[0]["metric"], sign)
        if margin is None:
            yield f"seeds for {task}: no margin for {rows[0]['metric']}, set compare.margin"
            continue
        # The last of several planned looks has the largest share of the level.
        share = planned_share(plan.looks, plan.looks[-1] if plan.looks else 0) or 1.0
        point, level = 0.01 if sign > 0 else margin, plan.level * share / pairs
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
