"""What a handful of seeds says: mean, spread and interval of scores, and two tests of two methods.

The test that decides whether two methods differ, or are equal, is the borrowed t. A handful of
seeds tells little of a pair's own noise. The other methods of its task and depth were run over the
same seeds: what they say of the noise joins the pair's own variance with the weight of at most 4
degrees of freedom, and with less, the noisier the pair is than the rest. How often its words are
wrong, and what it finds, is simulated in docs/statistics.md. The paired t is shown beside every
verdict and decides none.

Student's t is here without a library, since a claim is checked where only Python is installed; it
agrees with scipy's to 1e-10 of its value (tests/reporting/statistics).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

LEVEL = 0.95
"""How sure an interval is."""

_TINY = 1e-300
_STEPS = 10_000


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t with df > 0 degrees of freedom, which need not be whole."""
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    square = t * t
    tail = 0.5 * incomplete_beta(df / 2, 0.5, df / (df + square), square / (df + square))
    return tail if t >= 0 else 1.0 - tail


@lru_cache(maxsize=4096)
def t_quantile(upper: float, df: float) -> float:
    """The t that is exceeded with the probability `upper`, 0 < upper < 0.5."""
    low, high = 0.0, NormalDist().inv_cdf(1 - upper)
    while t_tail(high, df) > upper:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return middle
        low, high = (middle, high) if t_tail(middle, df) > upper else (low, middle)


def incomplete_beta(a: float, b: float, x: float, rest: float) -> float:
    """The regularised incomplete beta function I_x(a, b), with rest = 1 - x to full precision.

    The continued fraction is evaluated by Lentz's method as modified by Thompson and Barnett
    (J. Comput. Phys. 64, 1986); DLMF 8.17.22.
    """
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    # On the other side of its mean the fraction converges slowly; rounding may put both there.
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _fraction(b, a, rest, x)
    return _fraction(a, b, x, rest)


def _fraction(a: float, b: float, x: float, rest: float) -> float:
    front = math.exp(
        math.lgamma(a + b)
        - math.lgamma(a)
        - math.lgamma(b)
        + a * math.log(x)
        + b * (math.log1p(-x) if x < 0.5 else math.log(rest))
    )
    numerator, denominator = 1.0, 1.0 / _not_zero(1.0 - (a + b) * x / (a + 1))
    value = denominator
    for m in range(1, _STEPS):
        for factor in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            denominator = 1.0 / _not_zero(1.0 + factor * denominator)
            numerator = _not_zero(1.0 + factor / numerator)
            change = numerator * denominator
            value *= change
        if abs(change - 1.0) < 1e-15:
            break
    return front * value / a


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@dataclass(frozen=True, slots=True)
class TTest:
    """A mean difference and how well it is known."""

    n: int  # seeds
    mean: float  # ours minus theirs
    error: float  # standard error of the mean
    df: float  # degrees of freedom of the error

    @property
    def t(self) -> float:
        """Infinite where there is a difference and no error."""
        if self.error:
            return self.mean / self.error
        return math.copysign(math.inf, self.mean) if self.mean else 0.0

    @property
    def different(self) -> float:
        """Two-sided p of "there is no difference".

        With no error, all seeds showing one and the same difference, it is that of the signs.
        """
        if not self.error:
            return 2.0 ** (1 - self.n) if self.mean else 1.0
        return min(1.0, 2 * t_tail(abs(self.t), self.df))

    def equal(self, margin: float) -> float:
        """p of "they are at least a margin apart": the larger of two one-sided tests
        (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
        """
        room = margin - abs(self.mean)
        if not self.error:
            return 2.0**-self.n if room > 0 else 1.0
        return t_tail(room / self.error, self.df)


def borrowed_test(
    candidate: Sequence[float],
    reference: Sequence[float],
    others: Sequence[Sequence[float]] = (),
    step: float = 0.0,
) -> TTest:
    """TTest two methods over shared seeds.

    Args:
        ours: scores of one method, one a seed.
        theirs: scores of the other, over the same S >= 2 seeds.
        others: scores of all other methods of the task and depth that have these seeds.
        step: what one row of the dev split changes a score by; 0 where it has no such step. A
            variance below that of rounding to it is not believed.

    Returns:
        With d = ours - theirs, own = var(d) / 2 with S - 1 degrees of freedom; rest, the mean
        square of what the table (method x seed) leaves beyond its two means and beyond own, with
        D = (S - 1)(K - 2) for K methods; e = min(1, rest / own) / (1 / 4 + 1 / D), 0 for K = 2:
        variance v = (e rest + (S - 1) own) / (e + S - 1), at least step^2 / 12, error
        sqrt(2 v / S), S - 1 + e degrees of freedom.
    """
    seeds = len(candidate)
    differences = [a - b for a, b in zip(candidate, reference, strict=True)]
    mean = math.fsum(differences) / seeds
    # Scores of the same answers may differ in their last digit.
    mean = 0.0 if abs(mean) < ROUNDING else mean
    own_sum = math.fsum((d - mean) ** 2 for d in differences) / 2
    weight, rest = 0.0, 0.0
    if others:
        degrees = (seeds - 1) * len(others)
        rest = max(0.0, residual([candidate, reference, *others]) - own_sum) / degrees
        own = own_sum / (seeds - 1)
        weight = (1.0 if rest >= own else rest / own) / (1 / 4 + 1 / degrees)
    df = seeds - 1 + weight
    variance = max((weight * rest + own_sum) / df, step**2 / 12)
    error = math.sqrt(2 * variance / seeds)
    return TTest(seeds, mean, error if error > ROUNDING else 0.0, df)


ROUNDING = 1e-12
"""Scores of the same answers may differ by this much, and by no more."""


def residual(table: Sequence[Sequence[float]]) -> float:
    """The sum of squares that methods (rows) and seeds (columns) leave unexplained."""
    seeds, methods = len(table[0]), len(table)
    of_seed = [math.fsum(column) / methods for column in zip(*table, strict=True)]
    mean = math.fsum(of_seed) / seeds
    total = 0.0
    for scores in table:
        shift = math.fsum(scores) / seeds - mean
        total += math.fsum((x - s - shift) ** 2 for x, s in zip(scores, of_seed, strict=True))
    return total


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


def paired_test(candidate: Mapping[int, float], reference: Mapping[int, float]) -> PairedTest:
    """Compare two methods over the seeds that both have.

    Args:
        ours: seed -> score.
        theirs: seed -> score of the method to be compared with.

    Returns:
        The test; without p below `ENOUGH_SEEDS` shared seeds. Where no seed differs, p is 1. Where
        all differ by the same amount there is no spread to measure by: interval and effect are not
        known, and p is that of the signs, 2 ** (1 - n).
    """
    seeds = sorted(candidate.keys() & reference.keys())
    if not seeds:
        return PairedTest(0)
    seen = seed_summary([candidate[seed] - reference[seed] for seed in seeds])
    if len(seeds) < ENOUGH_SEEDS:
        return PairedTest(len(seeds), seen.mean, seen.std)
    test = borrowed_test([candidate[seed] for seed in seeds], [reference[seed] for seed in seeds])
    half = (seen.n - 1) / 2
    # Hedges' exact factor for n - 1 degrees of freedom takes the bias out of d_z.
    hedges = math.exp(math.lgamma(half) - math.lgamma(half - 0.5)) / math.sqrt(half)
    effect = hedges * seen.mean / seen.std if seen.std else None
    if not test.mean:
        effect = 0.0
    return PairedTest(seen.n, seen.mean, seen.std, seen.low, seen.high, test.different, effect)
