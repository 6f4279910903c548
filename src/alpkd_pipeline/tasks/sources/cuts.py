"""The last steps of every source: fewer train rows, a dev split if there is none."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import text_keys

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def cut_dev(
    train: pd.DataFrame, task: Task, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move a share of train to dev: what remains of train, and dev, in the order of the file.

    A row's place in the draw is a hash of the seed and its number, so the choice is the same on
    every machine and with every library version. The share is taken of each class: at least one of
    two or more rows, and never all. Rows of the same text move together, so that dev shares none
    with train; dev then grows a little beyond the share.
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
    """Keep some of the N rows of train, fewer than N, drawn as those of dev are.

    They keep the order of the file. Each class keeps its share, rounded, and at least one row.
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

    def draw(number: int) -> bytes:
        return hashlib.sha256(f"{salt}:{number}".encode()).digest()

    return [sorted(members, key=draw) for members in groups.values()]


def finish(
    frames: dict[str, pd.DataFrame], spec: SourceSpec, task: Task
) -> dict[str, pd.DataFrame]:
    """Keep train_rows rows of train, then cut a missing dev split from them; in a fixed order.

    Raises:
        UserError: the rows that are kept lack a class, or are too few for a dev split.
    """
    frames = dict(frames)
    if spec.train_rows is not None:
        frames["train"] = _kept(frames["train"], spec, spec.train_rows, task)
    if (dev := task.dev_splits[0]) not in frames:
        train = frames["train"]
        frames["train"], frames[dev] = cut_dev(train, task, spec.dev_fraction, spec.seed)
        log.warning(
            "%s has no %s split: %d of %d train rows become %s (seed %d)",
            *(task.name, dev, len(frames[dev]), len(train), dev, spec.seed),
        )
    order = ("train", *task.dev_splits, *task.test_splits)
    return {split: frames[split] for split in order if split in frames}


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
        lost = (set(range(task.num_labels)) & set(train["label"])) - set(kept["label"])
        if lost:
            names = ", ".join(task.label_names[at] for at in sorted(lost))
            raise UserError(
                f"task.train_rows: the first {rows:,} of {len(train):,} train rows of task"
                f" '{task.name}' have none of the class {names}, as in a sorted file; set"
                " task.train_rows_by=stratified, which draws rows of every class"
            )
    return kept
