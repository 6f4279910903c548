"""Two models on one dev split: how much of their difference is the choice of its examples.

An interval over dev examples describes one pair of trained models. It knows nothing of seeds, so
it says nothing about the methods that made them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpkd_pipeline.reporting.statistics.summary import LEVEL
from alpkd_pipeline.tasks.metrics import METRICS

RESAMPLES = 2000
"""How often N examples are drawn, with replacement; both models get the same."""

BATCH = 1_000_000
"""Examples of so many are drawn at once: all resamples of a large split would fill the memory."""

VECTORISED: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "accuracy": lambda predictions, labels: np.mean(predictions == labels, axis=-1)
}
"""Metrics that score all resamples at once."""


@dataclass(frozen=True, slots=True)
class PairBootstrap:
    """One model against another on the same examples."""

    metric: str  # the metric of the scores
    rows: int  # the number of examples
    ours: float  # the first model's score
    theirs: float  # the second model's score
    low: float  # lower end of the interval of ours minus theirs
    high: float  # its upper end
    differing: int  # the number of examples that the two answer differently

    @property
    def difference(self) -> float:
        """The first model's score minus the second's."""
        return self.ours - self.theirs


def one_pair(
    metric: str, labels: np.ndarray, ours: np.ndarray, theirs: np.ndarray
) -> PairBootstrap:
    """The difference of two models and its bootstrap interval over examples (percentiles).

    Args:
        metric: a name out of `tasks.metrics.METRICS`.
        labels: (N,) right answers.
        ours: (N,) answers of the first model.
        theirs: (N,) answers of the second model, to the same examples.

    Raises:
        ValueError: the three do not have the same length, at least 2.
    """
    if not len(labels) == len(ours) == len(theirs) or len(labels) < 2:
        raise ValueError(f"{len(labels)} labels, {len(ours)} and {len(theirs)} answers do not fit")
    score = METRICS[metric]
    low, high = _interval(metric, (labels, ours, theirs))
    return PairBootstrap(
        metric=metric,
        rows=len(labels),
        ours=score(ours, labels),
        theirs=score(theirs, labels),
        low=low,
        high=high,
        differing=int(np.sum(ours != theirs)),
    )


def _interval(metric: str, data: tuple[np.ndarray, ...]) -> tuple[float, float]:
    from scipy.stats import DegenerateDataWarning, bootstrap

    statistic: Any = _difference(VECTORISED.get(metric, METRICS[metric]))
    with warnings.catch_warnings():
        # Models that answer alike have the interval 0 to 0, and that is meant.
        warnings.simplefilter("ignore", DegenerateDataWarning)
        found = bootstrap(
            data,
            statistic,
            paired=True,
            vectorized=metric in VECTORISED,
            n_resamples=RESAMPLES,
            batch=max(1, BATCH // len(data[0])),
            confidence_level=LEVEL,
            method="percentile",
            rng=np.random.default_rng(0),
        )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _difference(score: Callable[[np.ndarray, np.ndarray], Any]) -> Callable[..., Any]:
    # scipy passes the axis only to statistics that are vectorised; it is always the last one.
    return lambda labels, ours, theirs, axis=-1: score(ours, labels) - score(theirs, labels)
