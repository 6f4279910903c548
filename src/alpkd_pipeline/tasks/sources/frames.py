"""From raw cells to the frame of a split: text columns, label, idx."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import hidden_label, is_missing, read_label
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.text import is_utf8

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

_WHOLE = re.compile(r"-?[0-9]{1,19}")
"""No int64 has more digits."""


def wanted_columns(task: Task, columns: Mapping[str, str]) -> dict[str, str]:
    """Our column -> theirs, for every column that a split can have.

    Raises:
        UserError: `columns` maps a column that the task does not have.
    """
    ours = (*task.text_columns, "label", "idx")
    for name in columns:
        if name not in ours:
            raise UserError(
                f"task.columns maps '{name}', which task '{task.name}' does not have;"
                f" it may map {', '.join(ours)}"
            )
    return {name: columns.get(name, name) for name in ours}


def split_frame(raw: RawTable, task: Task, split: str, columns: Mapping[str, str]) -> pd.DataFrame:
    """Build the frame of one split.

    What can be read is typed: text columns as str, `label` as int64 (float64 for a regression),
    `idx` as int64. A cell that cannot be read stays as it was found, in a column of objects, and
    `validate.check_splits` names it. The frame's index numbers the rows as the file does and is
    called `line` or `row`; the file's name is in `frame.attrs["file"]`.

    Args:
        raw: the cells.
        task: the task.
        split: our name of the split; in test splits a missing label is a hidden one.
        columns: our column -> theirs. `label` may be missing in test splits, and `idx` where it
            keeps its name: rows are then numbered from 0.

    Raises:
        UserError: a column is missing, or a row has several labels.
    """
    import pandas as pd

    may_hide = split in task.test_splits
    _refuse_missing_columns(raw, columns, may_hide)
    data = {name: _text_series(raw.cells[columns[name]]) for name in task.text_columns}
    data["label"] = _label_series(raw, task, columns["label"], may_hide)
    data["idx"] = _idx_series(raw, columns.get("idx", "idx"))
    frame = pd.DataFrame(data)
    frame.index = pd.Index(raw.numbers, name=raw.unit)
    frame.attrs["file"] = raw.place
    return frame


def without_broken_rows(frame: pd.DataFrame, task: Task, split: str) -> pd.DataFrame:
    """Leave out the rows that lack a text, and say so; test splits keep all their rows."""
    broken = frame[list(task.text_columns)].map(is_missing).any(axis="columns")
    if split in task.test_splits or not broken.any():
        return frame
    log.warning(
        "%s, %s: %d published rows lack a text and are left out (%s)",
        task.name,
        split,
        int(broken.sum()),
        ", ".join(f"{frame.index.name} {number}" for number in frame.index[broken][:5]),
    )
    return frame[~broken]


def _text_series(values: Sequence[object]) -> pd.Series:
    """A series of type str, or one of objects where a cell is no text or cannot be UTF-8."""
    import pandas as pd

    for value in values:
        if value is not None and not (isinstance(value, str) and is_utf8(value)):
            return pd.Series(list(values), dtype="object")
    return pd.Series(list(values), dtype="str")


def _idx_series(raw: RawTable, column: str) -> pd.Series:
    if column not in raw.cells:
        return _whole_numbers(range(len(raw.numbers)))
    return _whole_numbers([_whole_number(_flat(value)) for value in raw.cells[column]])


def _whole_number(value: object) -> object:
    """The whole number that a text or number stands for; anything else as it was."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value


def _flat(value: object) -> object:
    """A list or an object of a JSON line as its text: the validation compares values."""
    return value if isinstance(value, Hashable) else repr(value)


def _label_series(raw: RawTable, task: Task, column: str, may_hide: bool) -> pd.Series:
    import pandas as pd

    if column not in raw.cells:
        labels: Sequence[object] = [hidden_label(task)] * len(raw.numbers)
    else:
        labels = _read_labels(raw, task, column, may_hide)
    if task.kind == "classification":
        return _whole_numbers(labels)
    readable = all(isinstance(label, float) for label in labels)
    return pd.Series(labels, dtype="float64" if readable else "object")


def _read_labels(raw: RawTable, task: Task, column: str, may_hide: bool) -> list[object]:
    labels = []
    for number, value in zip(raw.numbers, raw.cells[column], strict=True):
        try:
            labels.append(read_label(value, task, may_hide=may_hide))
        except UserError as error:
            raise UserError(f"{raw.place}, {raw.unit} {number}: {error}") from None
    return labels


def _whole_numbers(values: Sequence[object]) -> pd.Series:
    """An int64 series, or one of objects where a value is no int64."""
    import pandas as pd

    if all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values):
        return pd.Series(list(values), dtype="int64")
    return pd.Series(list(values), dtype="object")


def _refuse_missing_columns(raw: RawTable, columns: Mapping[str, str], may_hide: bool) -> None:
    for ours in missing_columns(raw, columns, may_hide):
        raise UserError(f"{raw.place} {no_such_column(raw, ours, columns[ours])}")


def missing_columns(raw: RawTable, columns: Mapping[str, str], may_hide: bool) -> list[str]:
    """Our columns that a split needs and its file lacks.

    Args:
        raw: the cells.
        columns: our column -> theirs.
        may_hide: the split may do without labels.
    """
    optional = {ours for ours, theirs in columns.items() if ours == theirs == "idx"}
    optional |= {"label"} if may_hide else set()
    return [o for o, theirs in columns.items() if theirs not in raw.names and o not in optional]


def no_such_column(raw: RawTable, ours: str, theirs: str) -> str:
    """What to say about a column that is not there, as the end of a sentence about the file."""
    close = difflib.get_close_matches(theirs, raw.names, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return (
        f"has no column '{theirs}'{hint}; it has {', '.join(raw.names)}; name the right one in"
        f" task.columns.{ours}"
    )
