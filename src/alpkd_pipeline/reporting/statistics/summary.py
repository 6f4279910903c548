"""Mean, spread and interval of one score over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from alpkd_pipeline.tasks.metrics import is_error

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
    if no_spread(np.asarray(scores)):
        return SeedSummary(n, mean, 0.0, None, None)
    std = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1))
    low, high = t_interval(n, mean, std)
    return SeedSummary(n, mean, std, low, high)


def t_interval(n: int, mean: float, std: float) -> tuple[float, float]:
    """The t interval of a mean of n values with sample standard deviation std."""
    # What scipy.stats.t.interval computes, without its checks: a report has thousands of these.
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * std / math.sqrt(n)
    return mean - half, mean + half


def no_spread(values: np.ndarray) -> np.ndarray:
    """For (..., n) scores, whether the n differ by nothing but rounding, shape (...)."""
    size = np.maximum(1.0, np.abs(values).max(axis=-1))
    return np.asarray(np.ptp(values, axis=-1) <= ROUNDING * size)


def millions(count: float | None) -> str:
    """A parameter count: `22.7 M`, `0.62 M`; small toys in full, `4,321`."""
    if count is None:
        return "-"
    if count < 10_000:
        return f"{count:,.0f}"
    digits = 2 if count < 10_000_000 else 1
    return f"{count / 1e6:.{digits}f} M"


def score_text(value: float | None) -> str:
    """A score with four digits, `0.8431`; `-` when there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def scale(metric: str) -> float:
    """What a metric's scores are multiplied by to be shown: 100 for percent; errors stay."""
    return 1.0 if is_error(metric) else 100.0


def scaled_text(value: float, metric: str, digits: int = 1, plus: str = "") -> str:
    """A score, or a difference, in percent, `84.3`; an error with two digits more, `0.634`."""
    return f"{scale(metric) * value:{plus}.{digits + 2 * is_error(metric)}f}"


def seconds_text(value: float | None) -> str:
    """A duration in seconds: `7.2`, `412`, `12,345`; `-` when nothing was measured."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
