"""The last steps of every source: a dev split if there is none, the first rows of train."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alpkd_pipeline.tasks.sources.dev_cut import cut_dev
from alpkd_pipeline.tasks.sources.spec import SourceSpec
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def finish(
    frames: dict[str, pd.DataFrame], spec: SourceSpec, task: Task
) -> dict[str, pd.DataFrame]:
    """Cut a missing dev split from train, then train to its first rows; splits in a fixed order.

    Args:
        frames: the splits as a source read them.
        spec: the source.
        task: the task.
    """
    frames = dict(frames)
    if task.dev_splits[0] not in frames:
        frames["train"], frames[task.dev_splits[0]] = _cut(frames["train"], spec, task)
    if spec.train_rows is not None:
        frames["train"] = _head(frames["train"], spec.train_rows, task)
    order = ("train", *task.dev_splits, *task.test_splits)
    return {split: frames[split] for split in order if split in frames}


def _cut(train: pd.DataFrame, spec: SourceSpec, task: Task) -> tuple[pd.DataFrame, pd.DataFrame]:
    rest, dev = cut_dev(train, task, spec.dev_fraction, spec.seed)
    log.warning(
        "%s has no %s split: %d of %d train rows become %s (seed %d)",
        task.name,
        task.dev_splits[0],
        len(dev),
        len(train),
        task.dev_splits[0],
        spec.seed,
    )
    return rest, dev


def _head(train: pd.DataFrame, rows: int, task: Task) -> pd.DataFrame:
    if rows > len(train):
        log.warning("%s has %d train rows, fewer than train_rows %d", task.name, len(train), rows)
    return train.head(rows)
