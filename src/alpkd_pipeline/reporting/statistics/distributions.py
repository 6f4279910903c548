"""Student's t without a library: a claim is checked where only Python is installed.

Both functions agree with scipy's to 1e-10 of their value (tests/reporting/statistics).
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

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
