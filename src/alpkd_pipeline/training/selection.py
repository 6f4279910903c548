"""Which rows train, and which rows choose the best checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.task import Task


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that train, and the split and rows that select.

    Attributes:
        train_rows: rows of the train split to train on.
        split: `dev`, or `train` for a holdout.
        rows: the selecting rows of that split.
        name: what the scores are called: `dev` or `holdout`.
    """

    train_rows: np.ndarray
    split: str
    rows: np.ndarray
    name: str


def choose_rows(
    train: EncodedSplit, dev: EncodedSplit, task: Task, how: str, fraction: float, seed: int
) -> Selection:
    """Select on dev, as the papers do, or on a part cut from train, which keeps dev untouched.

    Args:
        train: the train split.
        dev: the first dev split.
        task: the task; classes are stratified, a regression is not.
        how: `dev` or `holdout`.
        fraction: share of train that a holdout takes.
        seed: fixes the holdout.
    """
    everything = np.arange(len(train))
    if how == "dev":
        return Selection(everything, task.dev_splits[0], np.arange(len(dev)), "dev")
    draw = np.random.Generator(np.random.PCG64([seed, 0x401D]))
    strata = train.labels if task.kind == "classification" else np.zeros(len(train), dtype=np.int64)
    held = [
        draw.permutation(members)[: max(1, round(fraction * len(members)))]
        for members in (np.flatnonzero(strata == label) for label in np.unique(strata))
    ]
    rows = np.sort(np.concatenate(held))
    return Selection(np.setdiff1d(everything, rows), "train", rows, "holdout")
