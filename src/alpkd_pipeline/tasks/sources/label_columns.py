"""The label column of every split: from raw cells to class ids or numbers, all splits together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import (
    HIDDEN_TEXT,
    class_names,
    hidden_label,
    holds_several,
    label_text,
    listed,
    read_classes,
    read_numbers,
)
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SHOWN_CLASSES = 10
"""How many classes the line about the labels counts one by one."""


def raw_labels(raw: RawTable, column: str, task: Task) -> list[str | None]:
    """The labels of one file as `labels.label_text` gives them, None where there is none.

    Args:
        raw: the cells; a file without the column has no labels.
        column: the file's name of the label column.
        task: the task.

    Raises:
        UserError: a row has several labels, or the file's own class names are not the task's.
    """
    cells = raw.cells.get(column, [None] * len(raw.numbers))
    for number in several_labels(raw, column, task)[:1]:
        raise UserError(
            f"{raw.place}, {raw.unit} {number}: the label {cells[raw.numbers.index(number)]!r}"
            f" holds several values, but task '{task.name}' has one label per row; keep one, or"
            " make one task for each label"
        )
    # By type and value: True, 1 and 1.0 are equal, but they are not the same label.
    keys = list(zip(map(type, cells), cells, strict=True))
    texts = {key: label_text(key[1]) for key in set(keys)}
    if column in raw.classes:
        texts = _by_own_names(raw, column, task, texts)
    return [texts[key] for key in keys]


def several_labels(raw: RawTable, column: str, task: Task) -> list[int]:
    """The numbers of the rows with more than one label."""
    cells = raw.cells.get(column, ())
    texts = {cell for cell in cells if isinstance(cell, str)}
    wrong = {text for text in texts if holds_several(text, task.label_names)}
    return [
        number
        for number, cell in zip(raw.numbers, cells, strict=False)
        if (cell in wrong if isinstance(cell, str) else isinstance(cell, list | dict))
    ]


def read_label_columns(
    frames: Mapping[str, pd.DataFrame], task: Task, *, minus_one_hides: bool
) -> dict[str, pd.DataFrame]:
    """Turn the labels of all splits into class ids (int64) or numbers (float64).

    How classes were read is logged. A label that is missing is hidden in a test split; elsewhere it
    stays None, for the validation to name. So does what is no number.

    Args:
        frames: the splits, `label` as `raw_labels` gives it.
        task: the task.
        minus_one_hides: -1 is a hidden label, as in GLUE and on the hub. Otherwise it is one only
            in a test split all of whose labels are -1. It never is where a class is named so, or
            where a regression's range holds it.

    Raises:
        UserError: no single reading fits the labels of all splits.
    """
    secret = hidden_label(task)
    may_hide = secret == HIDDEN_LABEL and HIDDEN_TEXT not in class_names(task.label_names)
    places = {split: _first_places(frame) for split, frame in frames.items()}
    for split, found in places.items():
        all_minus_one = split in task.test_splits and found.keys() == {HIDDEN_TEXT}
        if may_hide and (minus_one_hides or all_minus_one):
            found.pop(HIDDEN_TEXT, None)
    classes = task.kind == "classification"
    by, read = read_classes(places, task) if classes else ("number", read_numbers(places, task))
    values: dict[str, object] = {HIDDEN_TEXT: secret, **read}
    typed = {
        split: _typed(frame, task, values, secret if split in task.test_splits else None)
        for split, frame in frames.items()
    }
    if classes:
        _say(typed, task, by)
    return typed


def _by_own_names(
    raw: RawTable, column: str, task: Task, texts: Mapping[tuple[type, object], str | None]
) -> dict[tuple[type, object], str | None]:
    """The names of ids that a file itself gives names to; hidden and missing labels stay so."""
    own = [label_text(name) for name in raw.classes[column]]
    if len(set(own)) < len(own) or set(own) != set(class_names(task.label_names)):
        raise UserError(
            f"{raw.place}: the labels are {listed(raw.classes[column])}, but task '{task.name}' has"
            f" {listed(task.label_names) or 'numbers'}; correct task.labels"
        )
    names = {str(at): name for at, name in enumerate(own)}
    # As an id, -1 is no class; where one is named so, only a missing label can say that.
    names |= {HIDDEN_TEXT: None if HIDDEN_TEXT in own else HIDDEN_TEXT}
    for text in texts.values():
        if text is not None and text not in names:
            raise UserError(
                f"{raw.place}: the label {text} has no name; the file names the labels 0 to"
                f" {len(own) - 1} ({listed(raw.classes[column])})"
            )
    return {key: None if text is None else names[text] for key, text in texts.items()}


def _first_places(frame: pd.DataFrame) -> dict[str, str]:
    """Every label -> where it stands first."""
    first: dict[str, int] = {}
    for number, label in zip(frame.index, frame["label"], strict=True):
        first.setdefault(label, number)
    return {label: f"{frame.index.name} {at}" for label, at in first.items() if label is not None}


def _typed(
    frame: pd.DataFrame, task: Task, values: Mapping[str, object], missing: object
) -> pd.DataFrame:
    """The frame with the values of its labels, in a column of objects where one is no number."""
    import pandas as pd

    found = [missing if label is None else values[label] for label in frame["label"]]
    kind, dtype = (float, "float64") if task.kind == "regression" else (int, "int64")
    whole = all(isinstance(value, kind) for value in found)
    return frame.assign(label=pd.Series(found, frame.index, dtype=dtype if whole else "object"))


def _say(frames: Mapping[str, pd.DataFrame], task: Task, by: str) -> None:
    """Log in one line how the labels were read, and how many each class has."""
    counts = Counter(label for frame in frames.values() for label in frame["label"])
    shown = [
        f"{counts[at]:,} {name}" + (f" ({at})" if by == "id" else "")
        for at, name in enumerate(task.label_names[:SHOWN_CLASSES])
    ]
    if task.num_labels > SHOWN_CLASSES:
        shown.append(f"... ({task.num_labels} classes in all)")
    if counts[HIDDEN_LABEL]:
        shown.append(f"{counts[HIDDEN_LABEL]:,} hidden")
    log.info("%s: labels by %s: %s", task.name, by, ", ".join(shown))
