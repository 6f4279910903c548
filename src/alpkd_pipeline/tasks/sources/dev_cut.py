"""A dev split for data that comes without one: a share of train, chosen by a seed."""

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
        UserError: train has too few rows to cut anything.
    """
    draws = [_draw(seed, number) for number in range(len(train))]
    groups: dict[str, list[int]] = {}
    labels = train["label"] if task.kind == "classification" else [""] * len(train)
    for number, label in enumerate(labels):
        groups.setdefault(str(label), []).append(number)
    chosen: set[int] = set()
    for members in groups.values():
        count = max(round(len(members) * fraction), 1) if len(members) > 1 else 0
        chosen.update(sorted(members, key=draws.__getitem__)[: min(count, len(members) - 1)])
    if not chosen:
        raise UserError(
            f"task '{task.name}' has no dev split and {len(train)} train rows are too few to cut"
            " one; give a dev split"
        )
    texts = text_keys(train, task)
    moved = {texts[number] for number in chosen}
    in_dev = [text in moved for text in texts]
    return train[[not dev for dev in in_dev]], train[in_dev]


def _draw(seed: int, number: int) -> bytes:
    return hashlib.sha256(f"{seed}:{number}".encode()).digest()
