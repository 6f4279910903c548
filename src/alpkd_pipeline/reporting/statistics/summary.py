"""Mean, spread and interval of one score over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from alpkd_pipeline.reporting.statistics.distributions import t_quantile

LEVEL = 0.95
"""How sure an interval is."""

ROUNDING = 1e-12
"""Scores of the same answers may differ by this much of their size, and by no more."""


@dataclass(frozen=True, slots=True)
class SeedSummary:
    """What n seeds say about a mean."""

    n: int  # the number of seeds
    mean: float  # of the scores
    std: float | None  # sample standard deviation (n - 1); None for one seed
    # lower end of the t interval of the mean; None where the seeds show no spread
    low: float | None
    high: float | None  # its upper end


def seed_summary(scores: Sequence[float]) -> SeedSummary:
    """The mean over seeds and how far it can be trusted; scores are in the metric's own unit.

    One seed has no deviation; equal scores have no interval, since a width of zero would say that
    the mean is known exactly.

    Raises:
        ValueError: there are no scores, or one of them is not a number.
    """
    if not scores or not all(map(math.isfinite, scores)):
        raise ValueError(f"a mean over seeds needs finite scores, not {list(scores)}")
    n = len(scores)
    mean = math.fsum(scores) / n
    if n == 1:
        return SeedSummary(n, mean, None, None, None)
    if no_spread(scores):
        return SeedSummary(n, mean, 0.0, None, None)
    std = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1))
    low, high = t_interval(n, mean, std)
    return SeedSummary(n, mean, std, low, high)


def t_interval(n: int, mean: float, std: float) -> tuple[float, float]:
    """The t interval of a mean of n values with sample standard deviation std."""
    half = t_quantile((1 - LEVEL) / 2, n - 1) * std / math.sqrt(n)
    return mean - half, mean + half


def no_spread(values: Sequence[float]) -> bool:
    """Whether values differ by nothing but rounding."""
    return max(values) - min(values) <= ROUNDING * max(1.0, *map(abs, values))
