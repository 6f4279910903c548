"""The label column of every split: from raw cells to class ids or numbers, all splits together."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import (
    HIDDEN_TEXT,
    Reading,
    class_names,
    hidden_label,
    holds_several,
    label_text,
    own_names,
    read_labels,
    read_number,
)
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SHOWN_CLASSES = 10
"""How many classes the line about the labels counts one by one."""


def raw_labels(raw: RawTable, column: str, task: Task) -> list[object]:
    """The labels of one file, in the one form of all formats.

    Args:
        raw: the cells; a file without the column has no labels.
        column: the file's name of the label column.
        task: the task.

    Returns:
        One value a row, None where there is none: text as `labels.label_text` gives it; for a
        regression a float, or the cell as it was when it is no number.

    Raises:
        UserError: a row has several labels, or the file's own class names are not the task's.
    """
    cells = raw.cells.get(column)
    if cells is None:
        return [None] * len(raw.numbers)
    for number in several_labels(raw, column, task)[:1]:
        raise UserError(
            f"{raw.place}, {raw.unit} {number}: the label {cells[raw.numbers.index(number)]!r}"
            f" holds several values, but task '{task.name}' has one label per row; keep one, or"
            " make one task for each label"
        )
    own = _own_names(raw, column, task)
    if task.kind == "regression":
        return [read_number(cell) for cell in cells]
    # By type and value: True, 1 and 1.0 are equal, but they are not the same label.
    keys = list(zip(map(type, cells), cells, strict=True))
    texts = {key: label_text(key[1]) for key in set(keys)}
    if own is not None:
        texts = {key: _by_own_name(text, own, raw.place) for key, text in texts.items()}
    return [texts[key] for key in keys]


def several_labels(raw: RawTable, column: str, task: Task) -> list[int]:
    """The numbers of the rows with more than one label."""
    cells = raw.cells.get(column, ())
    doubtful = {cell for cell in cells if isinstance(cell, str)}
    wrong = {text for text in doubtful if holds_several(text, task.label_names)}
    if not wrong and not {list, dict} & set(map(type, cells)):
        return []
    return [
        number
        for number, cell in zip(raw.numbers, cells, strict=False)
        if (cell in wrong if isinstance(cell, str) else holds_several(cell, task.label_names))
    ]


def read_label_columns(
    frames: Mapping[str, pd.DataFrame], task: Task, *, minus_one_hides: bool
) -> dict[str, pd.DataFrame]:
    """Turn the labels of all splits into class ids (int64) or numbers (float64), and say how.

    A label that is missing is hidden in a test split; elsewhere it stays None. So does what is no
    number, for the validation to name.

    Args:
        frames: the splits, `label` as `raw_labels` gives it.
        task: the task.
        minus_one_hides: -1 is a hidden label, as in GLUE and on the hub. Otherwise it is one only
            in a test split all of whose labels are -1. It never is where a class is named so, or
            where a regression's range holds it.

    Raises:
        UserError: no single reading fits the labels of all splits.
    """
    hiding = {
        split: not _minus_one_is_a_label(task)
        and (minus_one_hides or (split in task.test_splits and _all_minus_one(frame, task)))
        for split, frame in frames.items()
    }
    if task.kind == "regression":
        return {
            split: _numbers(split, frame, task, hiding[split]) for split, frame in frames.items()
        }
    reading = read_labels(
        {split: _first_places(frame, hiding[split]) for split, frame in frames.items()}, task
    )
    _say(frames, task, hiding, reading)
    return {
        split: _class_ids(frame, reading, split in task.test_splits, hiding[split])
        for split, frame in frames.items()
    }


def _own_names(raw: RawTable, column: str, task: Task) -> list[str] | None:
    if column not in raw.classes:
        return None
    try:
        return own_names(raw.classes[column], task)
    except UserError as error:
        raise UserError(f"{raw.place}: {error}") from None


def _by_own_name(text: str | None, own: Sequence[str], place: str) -> str | None:
    """The name of a file's own id. Hidden labels stay so: where a class is named -1, as missing."""
    if text is None or (text == HIDDEN_TEXT and text in own):
        return None
    if text == HIDDEN_TEXT:
        return text
    if not text.isdecimal() or int(text) >= len(own):
        raise UserError(
            f"{place}: the label {text} has no name among the class names that the file carries"
            f" ({', '.join(own)})"
        )
    return own[int(text)]


def _minus_one_is_a_label(task: Task) -> bool:
    if task.kind == "regression":
        return hidden_label(task) != HIDDEN_LABEL
    return HIDDEN_TEXT in class_names(task.label_names)


def _all_minus_one(frame: pd.DataFrame, task: Task) -> bool:
    known = {label for label in frame["label"] if label is not None}
    return known == {float(HIDDEN_LABEL) if task.kind == "regression" else HIDDEN_TEXT}


def _first_places(frame: pd.DataFrame, minus_one_hides: bool) -> dict[str, str]:
    """Every label that has to be read -> where it stands first."""
    first: dict[str, int] = {}
    for number, label in zip(frame.index, frame["label"], strict=True):
        first.setdefault(label, number)
    hidden = {None, HIDDEN_TEXT} if minus_one_hides else {None}
    unit = frame.index.name
    return {label: f"{unit} {number}" for label, number in first.items() if label not in hidden}


def _class_ids(
    frame: pd.DataFrame, reading: Reading, may_hide: bool, minus_one_hides: bool
) -> pd.DataFrame:
    import pandas as pd

    missing = HIDDEN_LABEL if may_hide else None
    ids = {**reading.ids, HIDDEN_TEXT: HIDDEN_LABEL} if minus_one_hides else reading.ids
    found = [missing if label is None else ids[label] for label in frame["label"]]
    kind = "object" if None in found else "int64"
    return frame.assign(label=pd.Series(found, frame.index, dtype=kind))


def _numbers(split: str, frame: pd.DataFrame, task: Task, minus_one_hides: bool) -> pd.DataFrame:
    import pandas as pd

    found = frame["label"].tolist()
    if split in task.test_splits:
        mark = hidden_label(task)
        if mark == HIDDEN_LABEL and not minus_one_hides and mark in found:
            at = frame.index[found.index(mark)]
            raise UserError(
                f"task '{task.name}', labels: -1 ({split} {frame.index.name} {at}) hides a label"
                " only where all labels of the file are -1; leave hidden ones empty, or let"
                " task.label_range hold -1"
            )
        found = [mark if label is None else label for label in found]
    readable = all(isinstance(label, float) for label in found)
    kind = "float64" if readable else "object"
    return frame.assign(label=pd.Series(found, frame.index, dtype=kind))


def _say(
    frames: Mapping[str, pd.DataFrame], task: Task, hiding: Mapping[str, bool], reading: Reading
) -> None:
    """Log in one line how the labels were read, and how many each class has."""
    counts: Counter[str | None] = Counter()
    hidden = 0
    for split, frame in frames.items():
        found = Counter(frame["label"])
        hidden += found.pop(None, 0) if split in task.test_splits else 0
        hidden += found.pop(HIDDEN_TEXT, 0) if hiding[split] else 0
        counts += found
    of_class = {at: counts[label] for label, at in reading.ids.items()}
    shown = [
        f"{of_class[at]:,} {name}" + (f" ({at})" if reading.by == "id" else "")
        for at, name in enumerate(task.label_names[:SHOWN_CLASSES])
    ]
    more = len(task.label_names) - SHOWN_CLASSES
    shown += [f"... ({more} classes more)"] if more > 0 else []
    shown += [f"{hidden:,} hidden"] if hidden else []
    log.info("%s: labels by %s: %s", task.name, reading.by, ", ".join(shown))
