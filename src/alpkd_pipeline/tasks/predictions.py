"""Predictions as a table: one row an example, readable by people and by any tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd


def softmax(logits: np.ndarray) -> np.ndarray:
    """Class probabilities (N, C) of logits (N, C), in float64."""
    from scipy.special import softmax as scipy_softmax

    return np.asarray(scipy_softmax(logits.astype(np.float64), axis=1))


def answers(task: Task, logits: np.ndarray) -> np.ndarray:
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
    """A model's answers.

    Args:
        task: the task.
        idx: (N,) example ids.
        labels: (N,) gold labels, -1 where hidden.
        logits: (N, C).

    Returns:
        Columns idx, label, prediction (class id, or the predicted value), and for
        classification one column `p_<label name>` a class with its probability.
    """
    import pandas as pd

    columns = {"idx": idx, "label": labels, "prediction": answers(task, logits)}
    if task.kind == "classification":
        probabilities = softmax(logits)
        columns |= {f"p_{name}": probabilities[:, c] for c, name in enumerate(task.label_names)}
    return pd.DataFrame(columns)
