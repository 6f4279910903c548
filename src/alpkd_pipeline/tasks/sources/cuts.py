"""The last steps of every source: fewer train rows, a dev split if there is none."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.faults import text_keys
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd


def cut_dev(
    train: pd.DataFrame, task: Task, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move a share of train to dev; both keep the order of the file.

    A row's place in the draw is a hash of the seed and its number, so the choice is the same on
    every machine and with every library version. Rows of the same text move together, so that dev
    shares none with train; dev then grows a little beyond the share.

    Args:
        train: a split frame.
        task: for classes, the share is taken of each class.
        fraction: the share, between 0 and 1; at least one of two or more rows, and never all.
        seed: decides which rows.

    Returns:
        The remaining train split and the dev split.

    Raises:
        UserError: train has too few rows, or too few different texts, to cut anything.
    """
    chosen: set[int] = set()
    for members in _drawn_groups(train, task, str(seed)):
        count = max(round(len(members) * fraction), 1) if len(members) > 1 else 0
        chosen.update(members[: min(count, len(members) - 1)])
    if not chosen:
        raise UserError(
            f"task '{task.name}' has no dev split and {len(train)} train rows are too few to cut"
            " one; give a dev split"
        )
    texts = text_keys(train, task)
    moved = {texts[number] for number in chosen}
    in_dev = [text in moved for text in texts]
    if all(in_dev):
        raise UserError(
            f"task '{task.name}' has no dev split, and none can be cut from its {len(train)} train"
            " rows: rows of the same text stay together, and these are one text or nearly so; give"
            " a dev split"
        )
    return train[[not dev for dev in in_dev]], train[in_dev]


def draw_rows(train: pd.DataFrame, task: Task, rows: int, seed: int) -> pd.DataFrame:
    """Keep some rows of train, drawn as those of dev are; they keep the order of the file.

    Args:
        train: a split frame of N rows.
        task: each of its classes keeps its share, rounded, and at least one row.
        rows: how many rows are kept, fewer than N.
        seed: decides which rows.

    Raises:
        UserError: there are more classes than rows.
    """
    groups = _drawn_groups(train, task, f"rows:{seed}")
    if rows < len(groups):
        raise UserError(
            f"task.train_rows: {rows} rows cannot hold one of each of the {len(groups)} classes of"
            f" task '{task.name}'; give at least {len(groups)}"
        )
    shares = [rows * len(members) / len(train) for members in groups]
    counts = [max(int(share), 1) for share in shares]
    places = range(len(groups))
    while sum(counts) < rows:
        counts[max(places, key=lambda at: shares[at] - counts[at])] += 1
    while sum(counts) > rows:
        counts[max(places, key=lambda at: (counts[at] > 1, counts[at] - shares[at]))] -= 1
    kept = {number for members, n in zip(groups, counts, strict=True) for number in members[:n]}
    return train[[number in kept for number in range(len(train))]]


def _drawn_groups(train: pd.DataFrame, task: Task, salt: str) -> list[list[int]]:
    """The rows of each class (of a regression all rows) by their place in the draw."""
    groups: dict[str, list[int]] = {}
    labels = train["label"] if task.kind == "classification" else [""] * len(train)
    for number, label in enumerate(labels):
        groups.setdefault(str(label), []).append(number)
    return [sorted(members, key=lambda n: _draw(salt, n)) for members in groups.values()]


def _draw(salt: str, number: int) -> bytes:
    return hashlib.sha256(f"{salt}:{number}".encode()).digest()


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
