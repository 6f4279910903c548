"""The last steps of every source: fewer train rows, a dev split if there is none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.dev_cut import cut_dev, draw_rows
from alpkd_pipeline.tasks.sources.spec import SourceSpec
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def finish(
    frames: dict[str, pd.DataFrame], spec: SourceSpec, task: Task
) -> dict[str, pd.DataFrame]:
    """Keep train_rows rows of train, then cut a missing dev split from them; in a fixed order.

    Args:
        frames: the splits as a source read them.
        spec: the source.
        task: the task.

    Raises:
        UserError: the rows that are kept lack a class, or are too few for a dev split.
    """
    frames = dict(frames)
    if spec.train_rows is not None:
        frames["train"] = _kept(frames["train"], spec, spec.train_rows, task)
    if task.dev_splits[0] not in frames:
        frames["train"], frames[task.dev_splits[0]] = _cut(frames["train"], spec, task)
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


def _kept(train: pd.DataFrame, spec: SourceSpec, rows: int, task: Task) -> pd.DataFrame:
    if rows >= len(train):
        if rows > len(train):
            said = "%s has %d train rows, fewer than train_rows %d"
            log.warning(said, task.name, len(train), rows)
        return train
    if spec.train_rows_by == "stratified":
        return draw_rows(train, task, rows, spec.seed)
    kept = train.head(rows)
    if task.kind == "classification":
        ids = range(task.num_labels)
        lost = (set(ids) & set(train["label"])) - set(kept["label"])
        if lost:
            names = ", ".join(task.label_names[at] for at in sorted(lost))
            raise UserError(
                f"task.train_rows: the first {rows:,} of {len(train):,} train rows of task"
                f" '{task.name}' have none of the class {names}, as in a sorted file; set"
                " task.train_rows_by=stratified, which draws rows of every class"
            )
    return kept
