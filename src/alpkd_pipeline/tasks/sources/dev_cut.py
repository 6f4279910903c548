"""Rows drawn from train by a seed: fewer of them, or a dev split for data without one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.overlap import text_keys
from alpkd_pipeline.tasks.task import Task

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
