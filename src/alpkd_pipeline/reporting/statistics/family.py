"""Many tests in one table: Holm's correction keeps false alarms of the whole table rare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """p values corrected by Holm's step-down method, in the order given.

    If no method differed from any other, the chance that even one of the corrected p lies below
    0.05 is at most 5 %, however the tests depend on one another. The smallest of k values is
    multiplied by k, the next by k - 1, and so on; none may become smaller than one before it.

    Args:
        p_values: (..., k) p of all tests that are shown together, the family along the last axis.

    Returns:
        (..., k), at most 1. They are those of `statsmodels.stats.multitest.multipletests`, which
        collects garbage in every call and would take longer than the rest of a report.

    Raises:
        ValueError: a p value is NaN; it would silently make the family smaller.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if np.isnan(given).any():
        raise ValueError("a test without a p value belongs to no family: leave it out")
    order = np.argsort(given, axis=-1)
    factors = np.arange(given.shape[-1], 0, -1)
    raised = np.maximum.accumulate(np.take_along_axis(given, order, -1) * factors, axis=-1)
    corrected = np.empty_like(given)
    np.put_along_axis(corrected, order, np.minimum(raised, 1.0), -1)
    return corrected
