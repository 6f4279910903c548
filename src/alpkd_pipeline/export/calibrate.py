"""Temperature and threshold of a classifier, fitted and judged on dev rows that train never saw.

Temperature scaling: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. What is
said of its effect is cross-fitted: each fifth of the rows is judged by what the others gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpkd_pipeline.export.limits import loss_of
from alpkd_pipeline.reporting.plots.canvas import BLUE, INK, MUTED, SMALL, panel, png, style
from alpkd_pipeline.tasks.metrics import METRICS

FOLDS, SEED = 5, 0
BINS = 15  # of equal width, as in the paper
NULL_DRAWS = 300  # how often labels are drawn that the probabilities are right about
LOW, HIGH = 0.05, 20.0  # between these a temperature is looked for
CUTS = 100  # a threshold is looked for among so many quantiles of the probabilities
FEWEST = 50  # with fewer rows nothing is fitted

PICTURE = "reliability.png"
GREY = (0.6, 0.6, 0.6)  # a file has no style sheet that would give the placeholders a shade
AREA = 260.0  # of the dot of all rows, in square points


@dataclass(frozen=True)
class Calibration:
    """What turns logits into probabilities and answers, and what it was worth."""

    temperature: float = 1.0
    threshold: float | None = None  # of the second of two classes; None: the likeliest is answered
    report: dict[str, Any] | None = None  # JSON-ready, see `calibrate`; None: nothing was fitted

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Of each class, (N, C) float64, from logits (N, C)."""
        return softened(logits, self.temperature)

    def classes(self, logits: np.ndarray) -> np.ndarray:
        """The class ids (N,) that logits (N, C) answer."""
        probabilities = self.probabilities(logits)
        if self.threshold is None:
            return np.asarray(probabilities.argmax(axis=1))
        return (probabilities[:, 1] >= self.threshold).astype(np.int64)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"temperature": self.temperature, "threshold": self.threshold, **(self.report or {})}


def softened(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (N, C) float64 of logits (N, C) divided by a temperature."""
    from scipy.special import softmax

    return np.asarray(softmax(logits.astype(np.float64) / temperature, axis=1))


def calibrate(logits: np.ndarray, labels: np.ndarray, metric: str) -> Calibration:
    """Fit both to logits (N, C) of rows that train did not see and their class ids (N,).

    Each is kept only where it helped rows that it was not fitted on, the threshold only where that
    is shown at 95 %: it makes answers others than the likeliest. A threshold is for two classes,
    and for the metric, which is the task's first.

    Returns:
        With `report`: `rows`, `folds`; `nll` and `ece` with `before`, `after` (cross-fitted) and
        for `ece` also `calibrated_median` and `calibrated_95`, what a perfectly calibrated model
        with these probabilities shows on so many rows; `score` with `metric`, `before`, `after`;
        `bins`, see `reliability`. Without report where there are fewer than `FEWEST` rows.
    """
    if len(labels) < FEWEST:
        return Calibration()
    plain = softened(logits, 1.0)
    fitted = _cross_fitted(lambda rows: fit_temperature(logits[rows], labels[rows]), len(labels))
    soft = softened(logits / fitted[:, None], 1.0)
    warm = nll(soft, labels) < nll(plain, labels)
    temperature, soft = (fit_temperature(logits, labels), soft) if warm else (1.0, plain)
    likeliest, threshold, after = soft.argmax(axis=1), None, None
    before = METRICS[metric](likeliest, labels)
    if logits.shape[1] == 2:
        cuts = _cross_fitted(lambda r: fit_threshold(soft[r, 1], labels[r], metric), len(labels))
        moved = (soft[:, 1] >= cuts).astype(np.int64)
        after = METRICS[metric](moved, labels)
        if loss_of(metric, labels, likeliest, moved)[1] < 0:
            threshold = fit_threshold(softened(logits, temperature)[:, 1], labels, metric)
    null = ece_of_calibrated(soft)
    report = {
        "rows": len(labels),
        "folds": FOLDS,
        "nll": {"before": nll(plain, labels), "after": nll(soft, labels)},
        "ece": {
            "before": ece(plain, labels),
            "after": ece(soft, labels),
            "calibrated_median": float(np.median(null)),
            "calibrated_95": float(np.quantile(null, 0.95)),
        },
        "score": {"metric": metric, "before": before, "after": after},
        "bins": {"before": reliability(plain, labels), "after": reliability(soft, labels)},
    }
    return Calibration(temperature, threshold, report)


def _cross_fitted(fit: Callable[[np.ndarray], float], count: int) -> np.ndarray:
    """For each of the rows what was fitted on the folds that it is not in."""
    fitted = np.empty(count)
    for fold in np.array_split(np.random.default_rng(SEED).permutation(count), FOLDS):
        fitted[fold] = fit(np.setdiff1d(np.arange(count), fold))
    return fitted


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """What gives logits (N, C) the least negative log-likelihood of labels (N,)."""
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(
        lambda log: nll(softened(logits, float(np.exp(log))), labels),
        bounds=(float(np.log(LOW)), float(np.log(HIGH))),
        method="bounded",
    )
    return float(np.exp(best.x))


def fit_threshold(second: np.ndarray, labels: np.ndarray, metric: str) -> float:
    """From which probability (N,) of the second class on it is answered, for the best score; of
    equally good ones the nearest to one half."""
    cuts = np.unique([0.5, *np.quantile(second, np.linspace(0, 1, CUTS))])
    scores = [METRICS[metric]((second >= cut).astype(np.int64), labels) for cut in cuts]
    best = cuts[np.isclose(scores, max(scores), atol=1e-12)]
    return float(best[np.abs(best - 0.5).argmin()])


def nll(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean negative log-likelihood, in nats, of labels (N,) under probabilities (N, C)."""
    own = probabilities[np.arange(len(labels)), labels.astype(np.int64)]
    return float(-np.log(np.maximum(own, 1e-300)).mean())


def reliability(probabilities: np.ndarray, labels: np.ndarray) -> list[dict[str, float]]:
    """The bins that have rows: `rows`, mean `confidence` in the likeliest class, `accuracy`."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    return [
        {
            "rows": int(chosen.sum()),
            "confidence": float(confidence[chosen].mean()),
            "accuracy": float(right[chosen].mean()),
        }
        for number in range(BINS)
        if (chosen := _bins(confidence) == number).any()
    ]


def ece(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Expected calibration error, 0 to 1, of probabilities (N, C) and labels (N,)."""
    return _ece(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def ece_of_calibrated(probabilities: np.ndarray) -> np.ndarray:
    """What that error is by chance alone, (NULL_DRAWS,), where the probabilities (N, C) hold."""
    confidence, draw = probabilities.max(axis=1), np.random.default_rng(SEED)
    drawn = (draw.random(len(confidence)) < confidence for _ in range(NULL_DRAWS))
    return np.array([_ece(confidence, right) for right in drawn])


def _bins(confidence: np.ndarray) -> np.ndarray:
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def _ece(confidence: np.ndarray, right: np.ndarray) -> float:
    gaps = np.bincount(_bins(confidence), confidence - right, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def reliability_picture(report: Mapping[str, Any]) -> bytes:
    """A PNG file: of each bin the mean confidence and the share of right answers, before and after
    the temperature, as `calibrate` says them; the area of a dot is the share of the rows. On the
    diagonal both are equal."""
    error, bins = report["ece"], report["bins"]
    both = [*bins["before"], *bins["after"]]
    most = max(one["rows"] for one in both)
    start = max(0.0, min(one["confidence"] for one in both) - 0.05)
    with style():
        figure, axes = panel(2.6, left=0.55, bottom=0.9)
        axes.plot([start, 1], [start, 1], color=GREY, linewidth=0.8, linestyle="--")
        looks: dict[str, dict[str, Any]] = {
            "before": {"facecolor": "none", "edgecolor": GREY, "linewidth": 1.1},
            "after": {"facecolor": BLUE, "edgecolor": BLUE, "alpha": 0.75, "linewidth": 0},
        }
        for name, look in looks.items():
            axes.scatter(
                [one["confidence"] for one in bins[name]],
                [one["accuracy"] for one in bins[name]],
                s=[6 + AREA * one["rows"] / most for one in bins[name]],
                label=f"{name}: ECE {100 * error[name]:.1f} %",
                clip_on=False,
                **look,
            )
        axes.set(xlim=(start, 1.01), ylim=(-0.02, 1.02))
        axes.set_xlabel("mean probability of the answer", color=INK)
        axes.set_ylabel("share of right answers", color=INK)
        for handle in axes.legend(loc="best", frameon=False, fontsize=SMALL).legend_handles:
            handle.set_sizes([28])  # type: ignore[union-attr]
        by_chance = (
            "By chance alone a perfectly calibrated model shows, in 95 %\nof draws, an ECE of up to"
            f" {100 * error['calibrated_95']:.1f} % on these {report['rows']:,} rows."
        )
        figure.text(0.02, 0.02, by_chance, fontsize=SMALL - 1, color=MUTED, va="bottom")
        return png(figure)
