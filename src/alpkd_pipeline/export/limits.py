"""What so many rows show of a share, and of what one set of answers loses against another."""

from __future__ import annotations

import numpy as np

from alpkd_pipeline.reporting.statistics.predictions import one_pair
from alpkd_pipeline.tasks.metrics import sign

LEVEL = 0.95  # of each one-sided limit


def share_limits(count: int, rows: int, level: float = LEVEL) -> tuple[float, float]:
    """Below and above which a share lies of which `count` of `rows` were seen: exact, each end at
    the level (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    low = 0.0 if count == 0 else float(beta.ppf(1 - level, count, rows - count + 1))
    high = 1.0 if count == rows else float(beta.ppf(level, count + 1, rows - count))
    return low, high


def loss_of(
    metric: str, labels: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[float, float]:
    """How much a score lost from some answers (N,) to others, and the 95 % limit of that.

    For accuracy the limit is exact: the share of rows that were lost is at most its upper limit,
    that of those won at least its lower one, each at half the error. For other metrics it is the
    upper end of a bootstrap's 95 % interval over rows, which is one-sided 97.5 %.
    """
    if metric != "accuracy":
        pair = one_pair(metric, labels, after, before)
        low = pair.low if sign(metric) > 0 else -pair.high
        return -sign(metric) * pair.difference, -low
    right_before, right_after = before == labels, after == labels
    lost, won = int((right_before & ~right_after).sum()), int((~right_before & right_after).sum())
    level = 1 - (1 - LEVEL) / 2
    high, low = share_limits(lost, len(labels), level)[1], share_limits(won, len(labels), level)[0]
    return (lost - won) / len(labels), high - low
