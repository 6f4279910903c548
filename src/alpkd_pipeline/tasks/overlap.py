"""Rows that occur in two splits: a model scored on texts it was trained on looks too good."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alpkd_pipeline.tasks.labels import is_missing
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.text import normalise

if TYPE_CHECKING:
    import pandas as pd

TextKey = tuple[str, ...]
"""All texts of a row, normalised, in order; empty where a text is missing."""


def text_keys(frame: pd.DataFrame, task: Task) -> list[TextKey]:
    """What makes a row the same as another, for each row."""
    columns = (
        ["" if is_missing(text) else normalise(str(text)) for text in frame[name]]
        for name in task.text_columns
    )
    return list(zip(*columns, strict=True))


def count_shared(keys: Sequence[TextKey], known: set[TextKey]) -> int:
    """How many rows are among the known ones; rows that lack a text are not compared."""
    return sum(all(key) and key in known for key in keys)


def count_repeated(keys: Sequence[TextKey]) -> int:
    """How many rows repeat an earlier one."""
    return len(keys) - len(set(keys))
