"""Two methods over the same seeds, by themselves: the paired t.

It is shown beside every verdict and decides none: the verdict rests on the borrowed t, corrected
for all pairs of a report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from alpkd_pipeline.reporting.statistics.borrowed import borrowed_test
from alpkd_pipeline.reporting.statistics.summary import seed_summary

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
