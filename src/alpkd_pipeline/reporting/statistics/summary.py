"""Mean, spread and interval of scores over seeds, and of the differences of two methods.

The paired t is shown beside every verdict and decides none: the verdict rests on the borrowed t,
corrected for all pairs of a report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alpkd_pipeline.reporting.statistics.borrowed import ROUNDING, borrowed_test, t_quantile

LEVEL = 0.95
"""How sure an interval is."""


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


ENOUGH_SEEDS = 3
"""With fewer shared seeds nothing is said."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What shared seeds say about one method against another. None: it cannot be said."""

    n: int  # the number of shared seeds
    difference: float | None = None  # mean of ours minus theirs
    std: float | None = None  # sample standard deviation of the differences
    low: float | None = None  # lower end of the 95 % t interval of the difference
    high: float | None = None  # its upper end
    p: float | None = None  # two-sided, not corrected for other tests
    # d_z with Hedges' correction: the difference in standard deviations of differences
    effect: float | None = None


def paired_test(ours: Mapping[int, float], theirs: Mapping[int, float]) -> PairedTest:
    """Compare two methods over the seeds that both have.

    Args:
        ours: seed -> score.
        theirs: seed -> score of the method to be compared with.

    Returns:
        The test; without p below `ENOUGH_SEEDS` shared seeds. Where no seed differs, p is 1. Where
        all differ by the same amount there is no spread to measure by: interval and effect are not
        known, and p is that of the signs, 2 ** (1 - n).
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return PairedTest(0)
    seen = seed_summary([ours[seed] - theirs[seed] for seed in seeds])
    if len(seeds) < ENOUGH_SEEDS:
        return PairedTest(len(seeds), seen.mean, seen.std)
    test = borrowed_test([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
    effect = _hedges(seen.n) * seen.mean / seen.std if seen.std else None
    if not test.mean:
        effect = 0.0
    return PairedTest(seen.n, seen.mean, seen.std, seen.low, seen.high, test.different, effect)


def _hedges(n: int) -> float:
    """Hedges' exact factor for n - 1 degrees of freedom; it takes the bias out of d_z."""
    half = (n - 1) / 2
    return math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
