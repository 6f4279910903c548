"""From raw cells to the frame of a split: text columns, label, idx."""

from __future__ import annotations

import logging
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.tasks.labels import is_missing
from alpkd_pipeline.tasks.sources.label_columns import raw_labels
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import Task, is_utf8

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

    What can be read is typed: text columns as str, `idx` as int64. A cell that cannot be read stays
    as it was found, in a column of objects, and `validate.check_splits` names it. `label` is as
    `label_columns.raw_labels` gives it: what it means shows only beside the other splits. The
    frame's index numbers the rows as the file does and is called `line` or `row`; the file's name
    is in `frame.attrs["file"]`.

    Args:
        raw: the cells.
        task: the task.
        split: our name of the split.
        columns: our column -> theirs. `label` may be missing in test splits. So may an `idx` that
            keeps its name, and where it does not number the rows it is ignored: rows are then
            numbered from 0.

    Raises:
        UserError: a column is missing, a row has several labels, or the file's own class names are
            not the task's.
    """
    import pandas as pd

    _refuse_missing_columns(raw, columns, split in task.test_splits)
    data = {name: _text_series(raw.cells[columns[name]]) for name in task.text_columns}
    data["label"] = pd.Series(raw_labels(raw, columns["label"], task), dtype="object")
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
    import pandas as pd

    counted = pd.Series(range(len(raw.numbers)), dtype="int64")
    if column not in raw.cells:
        return counted
    values = [_whole_number(_flat(value)) for value in raw.cells[column]]
    if all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values):
        found = pd.Series(values, dtype="int64")
    else:
        found = pd.Series(values, dtype="object")
    if column == "idx" and (found.dtype == "object" or found.duplicated().any()):
        log.warning(
            "%s: the column idx does not number the rows (it holds other than whole numbers, or one"
            " of them twice), so it is ignored and rows are numbered from 0",
            raw.place,
        )
        return counted
    return found


def _whole_number(value: object) -> object:
    """The whole number that a text or number stands for; anything else as it was."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value.strip()) else value


def _flat(value: object) -> object:
    """A list or an object of a JSON line as its text: the validation compares values."""
    return value if isinstance(value, Hashable) else repr(value)


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
    return (
        f"has no column '{theirs}'{did_you_mean(theirs, raw.names)}; it has {', '.join(raw.names)};"
        f" name the right one in task.columns.{ours}"
    )
