"""Two methods over the same seeds: is the mean difference more than the seeds' noise?

The verdict rests on the paired t test over shared seeds (two-sided). Beside it stand
the interval of the difference, its size in standard deviations (Cohen's d_z with Hedges'
correction), the smallest difference that so many seeds could have shown, and from 8 seeds on the
exact test of the signs, which assumes no normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from alpkd_pipeline.reporting.statistics.summary import ROUNDING, no_spread, seed_summary

ENOUGH_SEEDS = 3
"""With fewer shared seeds nothing is said."""

SIGNS_FROM = 8
"""The smallest number of seeds for the test of the signs; below, it could hardly find anything."""

EXACT_SIGNS_TO = 12
"""Up to this many seeds all sign flips are tried, beyond as many random ones."""

ALPHA = 0.05
POWER = 0.8
"""`detectable` is what a two-sided test at ALPHA, not corrected, finds with this probability."""


@dataclass(frozen=True, slots=True)
class PairedTest:
    """What shared seeds say about one method against another. None: it cannot be said."""

    n: int  # the number of shared seeds
    difference: float | None = None  # mean of ours minus theirs
    std: float | None = None  # sample standard deviation of the differences
    low: float | None = None  # lower end of the 95 % t interval of the difference
    high: float | None = None  # its upper end
    t: float | None = None  # the paired t; infinite where all seeds show the same difference
    p: float | None = None  # two-sided, not corrected for other tests
    # d_z with Hedges' correction: the difference in standard deviations of differences
    effect: float | None = None
    # the smallest true difference that n seeds with this `std` show with probability `POWER`
    detectable: float | None = None
    permutation_p: float | None = None  # of the test of the signs


def paired_test(ours: Mapping[int, float], theirs: Mapping[int, float]) -> PairedTest:
    """Compare two methods over the seeds that both have.

    Args:
        ours: seed -> score.
        theirs: seed -> score of the method to be compared with.

    Returns:
        The test; without p below `ENOUGH_SEEDS` shared seeds. Where no seed differs, p is 1. Where
        all differ by the same amount there is no spread to measure by: t is infinite, interval,
        effect and detectable difference are not known, and p is that of the signs, 2 ** (1 - n).
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return PairedTest(0)
    a = np.array([ours[seed] for seed in seeds])
    b = np.array([theirs[seed] for seed in seeds])
    seen = seed_summary((a - b).tolist())
    if len(seeds) < ENOUGH_SEEDS:
        return PairedTest(len(seeds), seen.mean, seen.std)
    t, p = t_tests(a, b)
    spread = seen.std or 0.0
    no_effect = None if abs(seen.mean) > ROUNDING else 0.0
    return PairedTest(
        n=seen.n,
        difference=seen.mean,
        std=seen.std,
        low=seen.low,
        high=seen.high,
        t=float(t),
        p=float(p),
        effect=_hedges(seen.n) * seen.mean / spread if spread else no_effect,
        detectable=_detectable_effect(seen.n) * spread if spread else None,
        permutation_p=_sign_test(a - b) if seen.n >= SIGNS_FROM else None,
    )


def t_tests(ours: np.ndarray, theirs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """t and two-sided p of paired t tests along the last axis.

    Args:
        ours: (..., n) scores over the same n >= 2 seeds.
        theirs: (..., n) scores.

    Returns:
        t (...) and p (...), never NaN: 0 and 1 where nothing differs; plus or minus infinity and
        2 ** (1 - n) where all seeds differ by the same amount. A p of 0 would be wrong there: dev
        scores move in steps of one example, so equal differences are seen by chance.
    """
    # What scipy.stats.ttest_rel computes, without its checks: a report has thousands of these.
    from scipy.special import stdtr

    a, b = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    differences = a - b
    mean, flat = differences.mean(axis=-1), no_spread(differences)
    same = flat & (np.abs(mean) <= ROUNDING)
    t = np.where(same, 0.0, np.copysign(np.inf, mean))
    p = np.where(same, 1.0, 2.0 ** (1 - differences.shape[-1]))
    n, spread = differences.shape[-1], differences[~flat].std(axis=-1, ddof=1)
    t[~flat] = mean[~flat] / (spread / math.sqrt(n))
    p[~flat] = 2 * stdtr(n - 1, -np.abs(t[~flat]))
    return t, p


def _hedges(n: int) -> float:
    """Hedges' exact factor for n - 1 degrees of freedom; it takes the bias out of d_z."""
    half = (n - 1) / 2
    return math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)


@lru_cache
def _detectable_effect(n: int) -> float:
    """The d_z that a paired t test of n pairs finds with probability `POWER`."""
    from statsmodels.stats.power import TTestPower

    return float(TTestPower().solve_power(nobs=n, alpha=ALPHA, power=POWER))


def _sign_test(differences: np.ndarray) -> float:
    """Two-sided p of the mean under all flips of the differences' signs."""
    from scipy.stats import permutation_test

    found = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_SIGNS_TO,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)
