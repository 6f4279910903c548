"""Scores on a whole split: plain functions of predictions and labels, and the user's own metrics.

scikit-learn and scipy are imported where they are used, so that names and rules cost nothing.

The user's own are folders with a module of the library `evaluate`, in `task.metrics`. Evaluations
alone compute them (`evaluation.metrics`); nothing here needs that library. A metric is called like
its folder, and the module in it is `<name>.py`. An entry with a `/` is a folder, or the id of a
metric of the hub, which looks the same.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.store.fingerprint import key_of
from alpkd_pipeline.store.manifest import sha256_file
from alpkd_pipeline.tasks.labels import is_hidden
from alpkd_pipeline.tasks.task import Task, TaskKind

if TYPE_CHECKING:
    import pandas as pd


def predictions_of(task: Task, logits: np.ndarray) -> np.ndarray:
    """What a model says, (N,): class ids, or numbers in float64, from logits (N, C).

    Numbers are widened before they are scored and written: a file holds float32 in so few digits
    that whoever reads it in float64 would get other numbers, and another score.
    """
    if task.kind == "classification":
        return np.asarray(logits.argmax(axis=1))
    return logits[:, 0].astype(np.float64)


def predictions_frame(
    task: Task, idx: np.ndarray, labels: np.ndarray, logits: np.ndarray
) -> pd.DataFrame:
    """A model's answers, from example ids (N,), labels (N,), -1 where hidden, and logits (N, C).

    Returns:
        Columns idx, label, prediction (class id, or the predicted value), and for
        classification one column `p_<label name>` a class with its probability, in float64.
    """
    import pandas as pd
    from scipy.special import softmax

    columns = {"idx": idx, "label": labels, "prediction": predictions_of(task, logits)}
    if task.kind == "classification":
        probabilities = softmax(logits.astype(np.float64), axis=1)
        columns |= {f"p_{name}": probabilities[:, c] for c, name in enumerate(task.label_names)}
    return pd.DataFrame(columns)


Judge = Callable[[Task, np.ndarray, np.ndarray], dict[str, float]]
"""A task, (N,) answers and (N,) labels -> score by metric, as `score_predictions` does it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One score, the higher the better, or an error, the lower the better."""

    # (N,) predictions and labels, class ids or the numbers of a regression -> the score
    function: Callable[[np.ndarray, np.ndarray], float]
    kind: TaskKind  # the kind of task that it fits
    binary: bool = False  # it needs exactly two classes
    # it is 0 where all is right, and has no upper end: a number in the labels' unit, so neither a
    # share nor a percentage of anything
    is_error: bool = False

    def __call__(self, predictions: np.ndarray, labels: np.ndarray) -> float:
        """The score of predictions."""
        return self.function(np.asarray(predictions), np.asarray(labels))


def accuracy(predictions: np.ndarray, labels: np.ndarray) -> float:
    """The share of right answers, 0 to 1."""
    return float(np.mean(predictions == labels))


def f1(predictions: np.ndarray, labels: np.ndarray) -> float:
    """F1 of class 1 among two classes, 0 to 1; 0 where class 1 is neither given nor predicted."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, pos_label=1, zero_division=0.0))


def f1_macro(predictions: np.ndarray, labels: np.ndarray) -> float:
    """The mean of every class's F1, over the classes that are given or predicted, 0 to 1."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0.0))


def matthews(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Matthews correlation, -1 to 1; 0 where all predictions or all labels are the same."""
    from sklearn.metrics import matthews_corrcoef

    return _correlation(lambda: matthews_corrcoef(labels, predictions), predictions, labels)


def pearson(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Pearson correlation, -1 to 1; 0 where it is not defined."""
    from scipy.stats import pearsonr

    return _correlation(lambda: pearsonr(predictions, labels).statistic, predictions, labels)


def spearman(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Spearman rank correlation, -1 to 1; 0 where it is not defined."""
    from scipy.stats import spearmanr

    return _correlation(lambda: spearmanr(predictions, labels).statistic, predictions, labels)


def rmse(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Root of the mean squared error, 0 or more, in the labels' unit."""
    return math.sqrt(np.mean((predictions - labels) ** 2))


def mae(predictions: np.ndarray, labels: np.ndarray) -> float:
    """Mean absolute error, 0 or more, in the labels' unit."""
    return float(np.mean(np.abs(predictions - labels)))


METRICS: dict[str, Metric] = {
    "accuracy": Metric(accuracy, "classification"),
    "f1": Metric(f1, "classification", binary=True),
    "f1_macro": Metric(f1_macro, "classification"),
    "matthews": Metric(matthews, "classification"),
    "pearson": Metric(pearson, "regression"),
    "spearman": Metric(spearman, "regression"),
    "rmse": Metric(rmse, "regression", is_error=True),
    "mae": Metric(mae, "regression", is_error=True),
}


def is_error(name: str) -> bool:
    """Whether a metric, by its name, is an error; what is none of ours is taken for a score."""
    return name in METRICS and METRICS[name].is_error


def sign(name: str) -> int:
    """-1 for an error, else 1: what turns a score, or a difference, so that larger is better."""
    return -1 if is_error(name) else 1


def check_metrics(names: Sequence[str], kind: TaskKind, num_labels: int) -> None:
    """Refuse metrics that are unknown or do not fit a task of that kind and number of classes."""
    fitting = [
        name
        for name, metric in METRICS.items()
        if metric.kind == kind and (num_labels == 2 or not metric.binary)
    ]
    choose = f"choose from {', '.join(fitting)}"
    if not names:
        raise UserError(f"task.metrics is empty; {choose}")
    for name in names:
        if name not in METRICS:
            raise UserError(f"unknown metric '{name}'{did_you_mean(name, METRICS)}; {choose}")
        if name not in fitting:
            shape = kind if kind == "regression" else f"{kind} with {num_labels} classes"
            raise UserError(f"the metric '{name}' does not fit a {shape}; {choose}")


def score_predictions(task: Task, predictions: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The task's metrics of predictions: (N,) class ids or numbers against (N,) labels.

    Raises:
        UserError: hidden labels or no rows.
    """
    if not len(labels):
        raise UserError(f"task '{task.name}': there are no rows to score")
    hidden = is_hidden(labels, task)
    if hidden.any():
        raise UserError(
            f"task '{task.name}': {int(hidden.sum())} of {len(labels)} labels are hidden; test"
            " splits without labels cannot be scored"
        )
    return {name: METRICS[name](predictions, labels) for name in task.metrics}


def score(
    task: Task, logits: np.ndarray, labels: np.ndarray, by: Judge = score_predictions
) -> dict[str, float]:
    """The task's metrics of a model's outputs (N, C), C = 1 for a regression, against labels (N,).

    `by` scores what these outputs say.

    Raises:
        UserError: hidden labels, no rows, outputs that are not finite, or shapes that do not fit.
    """
    if logits.shape != (len(labels), task.num_labels):
        raise UserError(
            f"outputs of shape {logits.shape} do not fit {len(labels)} labels of task"
            f" '{task.name}' with {task.num_labels} outputs"
        )
    if not np.isfinite(logits).all():
        raise UserError(f"the model's outputs on task '{task.name}' are not finite; it diverged")
    return by(task, predictions_of(task, logits), labels)


def _correlation(of: Callable[[], float], *sides: np.ndarray) -> float:
    """A correlation of two sides; where it is not defined, it counts as none."""
    for values in sides:
        # Outputs that differ by rounding alone carry no order, and a correlation would read one.
        spread = np.ptp(values.astype(np.float64))
        if spread <= 4 * np.finfo(np.float32).eps * np.abs(values).max(initial=0.0):
            return 0.0
    value = float(of())
    return 0.0 if math.isnan(value) else value


def our_metrics(names: Sequence[str]) -> tuple[str, ...]:
    """The entries of `task.metrics` that are no folders.

    Raises:
        UserError: a folder is the first of all.
    """
    if names and "/" in names[0]:
        raise UserError(
            f"parameter 'task.metrics' begins with the folder '{names[0]}': the first metric"
            " chooses the best epoch, so trainings compute it, and they compute ours alone; put one"
            f" of {', '.join(METRICS)} before it"
        )
    return tuple(name for name in names if "/" not in name)


def own_metrics(names: Sequence[str], project: Path) -> dict[Path, str]:
    """The folders that `task.metrics` names, below the project or absolute, each with its digest.

    Raises:
        UserError: one is not there, holds no module, or has a name that is taken.
    """
    found: dict[Path, str] = {}
    for name in (name for name in names if "/" in name):
        folder = Path(os.path.abspath(project / Path(name).expanduser()))
        if not folder.is_dir():
            why = f"is no folder (there is no {folder}); code of the hub is not run: copy it here"
        elif not (folder / f"{folder.name}.py").is_file():
            why = f"has no {folder.name}.py, where a module of the library evaluate stands"
        elif folder.name in {*METRICS, *(other.name for other in found)}:
            why = f"has the name of another metric: rename the folder and {folder.name}.py in it"
        else:
            found[folder] = folder_digest(folder)
            continue
        raise UserError(f"parameter 'task.metrics': '{name}' {why}")
    return found


def folder_digest(folder: Path) -> str:
    """The hash of a folder's files, but for Python's caches and what begins with a dot."""
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    kept = (n for n in names if not any(p[0] == "." or p == "__pycache__" for p in n.parts))
    return key_of({name.as_posix(): sha256_file(folder / name) for name in kept})


def own_scores(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """The scores of the user's own metrics in a scores.json: split -> name -> value."""
    names = result.get("metrics") or ()
    return {
        split: {n: v for n, v in (facts["scores"] or {}).items() if n.partition(".")[0] in names}
        for split, facts in result["splits"].items()
    }
