"""A table as teacher: what a language model, a committee or a service says of each row.

A split then has one more column for each class, a probability or a logit, of a regression one with
its value. They are checked with the rows, stay with them in the splits, and become the file of
logits that a model's signals have, `<split>.logits.npy`, beside the rows' token ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import label_text
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

PARAMETER = "task.teacher_columns"
"""Begins the names of the columns of a frame that hold what a table says; none of data does so."""

FORMS = {"probabilities": f"{PARAMETER}, probability of ", "logits": f"{PARAMETER}, logit of "}
"""What a table may hold, and how such a column begins; the class follows."""

VALUE = f"{PARAMETER}, value"  # the column of a regression

OFF_ONE = 0.01  # so far a row's probabilities may be from 1 together: they may have been rounded

LEAST = 1e-6
"""A probability below it counts as it: none is so sure of a row that its logit is infinite. A
choice of this project."""


def teacher_names(task: Task, form: str) -> dict[str, str]:
    """The key of `task.teacher_columns` -> the column of a frame, in label order."""
    if task.kind == "regression":
        return {"label": VALUE}
    return {name: FORMS[form] + name for name in task.label_names}


def columns_of(frame: pd.DataFrame, task: Task) -> list[str]:
    """The columns of a frame that hold what its teacher says, in label order; none without one."""
    every = dict.fromkeys(name for form in FORMS for name in teacher_names(task, form).values())
    return [name for name in every if name in frame]


def as_number(cell: object) -> object:
    """The number that a cell stands for; any other cell as it was, None if it holds nothing."""
    text = label_text(cell)
    if text is None or isinstance(cell, bool):
        return None if text is None else cell
    try:
        return float(text)
    except ValueError:
        return cell


def rules(name: str) -> dict[str, Callable[[Any], bool]]:
    """What the values of such a column must be: each rule, as a fault says it."""

    def finite(value: Any) -> bool:
        return isinstance(value, float) and math.isfinite(value)

    found: dict[str, Callable[[Any], bool]] = {f"{name} is not a finite number": finite}
    if name.startswith(FORMS["probabilities"]):
        advice = "set task.teacher_values=logits if these are logits"
        found[f"{name} is not between 0 and 1 ({advice})"] = lambda v: not finite(v) or 0 <= v <= 1
    return found


def not_whole(frame: pd.DataFrame, task: Task) -> tuple[str, list[bool]]:
    """Which rows have probabilities that do not add up to 1, and the rule that they break."""
    rule = "the teacher's probabilities do not add up to 1"
    names, rows = columns_of(frame, task), [False] * len(frame)
    if len(names) == task.num_labels and names[0].startswith(FORMS["probabilities"]):
        given = frame[names].itertuples(index=False)
        rows = [
            all(isinstance(v, float) and 0 <= v <= 1 for v in row) and abs(sum(row) - 1) > OFF_ONE
            for row in given
        ]
    return rule, rows


def logits_of(frame: pd.DataFrame, task: Task) -> np.ndarray | None:
    """What a table says of checked rows, (N, C) float32; None if there is no table.

    Of probabilities the logarithms, which a softmax makes the same probabilities again.
    """
    import numpy as np

    names = columns_of(frame, task)
    if not names:
        return None
    values = frame[names].to_numpy(dtype=np.float64)
    if names[0].startswith(FORMS["probabilities"]):
        values = np.log(np.maximum(values, LEAST))
    return values.astype(np.float32)


def logits_file(split: str) -> str:
    """The name of the file with a teacher's logits of a split, as a NumPy array (N, C)."""
    return f"{split}.logits.npy"


def read_logits(folder: Path, split: str) -> np.ndarray:
    """The logits that `logits_of` gave for a split, from the folder of its encoded rows.

    Raises:
        UserError: they are not there.
    """
    import numpy as np

    path = folder / logits_file(split)
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (OSError, ValueError) as error:
        raise UserError(
            f"what the table says as teacher cannot be read from {path} ({error}); run data"
            " preparation again"
        ) from None
