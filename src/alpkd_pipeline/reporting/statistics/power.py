"""What a comparison could have seen, and how many seeds the next one needs.

The noise is not known but estimated, so power is averaged over what the estimate may be: the
non-central t, as an integral over the normal deviate of the mean. (The sum of two quantiles of t,
often used for it, has a power of 70 instead of 80 % with few seeds.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from alpkd_pipeline.reporting.statistics.family import LEVEL, planned_share
from alpkd_pipeline.reporting.statistics.pairing import Row
from alpkd_pipeline.reporting.statistics.verdict import SEEN
from alpkd_pipeline.reporting.statistics.words import Plan

POWER = 0.8
"""What can be seen is found with this probability."""

_Z = np.linspace(-8.5, 8.5, 69)
_MOST_SEEDS = 1000


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
        found = _found(middle, freedom, critical) >= POWER
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
    standard deviations of differences; None where a thousand are too few.
    """
    from scipy.special import stdtrit

    def enough(n: int) -> bool:
        critical = stdtrit(n - 1, 1 - level / 2)
        return bool(_found(difference * math.sqrt(n), n - 1, critical) >= POWER)

    return _first(enough)


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

    return _first(enough)


def _first(enough: Any) -> int | None:
    low, high = 2, 3
    while not enough(high):
        if high > _MOST_SEEDS:
            return None
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _found(shift: Any, df: Any, critical: Any) -> Any:
    """P(|T| > critical) where the true difference is so many standard errors."""
    from scipy.special import chdtr

    shift, df, critical = (
        np.asarray(x, dtype=np.float64)[..., None] for x in (shift, df, critical)
    )
    return _over_z(chdtr(df, df * ((_Z + shift) / critical) ** 2))


def _over_z(values: Any) -> Any:
    weights = np.exp(-(_Z**2) / 2)
    return (values * weights).sum(-1) / weights.sum()
