"""From raw cells to the frames of splits: text columns, idx, and the labels of all together."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.tasks import labels
from alpkd_pipeline.tasks.labels import HIDDEN_TEXT, label_text, listed
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import GROUP, HIDDEN_LABEL, Task, is_utf8
from alpkd_pipeline.tasks.teacher_table import PARAMETER, as_number

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

LISTED_CLASSES = 10  # how many classes the line about the labels counts one by one
_WHOLE = re.compile(r"-?[0-9]{1,19}")  # no int64 has more digits


class SplitFile(NamedTuple):
    """The file of a split, the names of its columns (ours -> theirs), and how these are read."""

    path: Path
    columns: Mapping[str, str]
    reader: Callable[[Path, Collection[str]], RawTable]


def wanted_columns(task: Task, columns: Mapping[str, str]) -> dict[str, str]:
    """Our column -> theirs, for every column that a split of any source can have."""
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
    `raw_labels` gives it: what it means shows only beside the other splits. The index numbers the
    rows as the file does and is called `line` or `row`; `frame.attrs["file"]` is the file's name.

    `columns` is our column -> theirs. `label` may be missing in test splits. So may an `idx` that
    keeps its name; where it does not number the rows it is ignored, and they are counted from 0.
    UserError if a column is missing, a row has several labels, or the file's own class names are
    not the task's.
    """
    import pandas as pd

    for said in missing_columns(raw, columns, split in task.test_splits).values():
        raise UserError(f"{raw.file} {said}")
    data = {}
    for name in task.text_columns:
        texts = raw.cells[columns[name]]
        # A series of type str, or one of objects where a cell is no text or cannot be UTF-8.
        readable = all(v is None or (isinstance(v, str) and is_utf8(v)) for v in texts)
        data[name] = pd.Series(list(texts), dtype="str" if readable else "object")
    data["label"] = pd.Series(raw_labels(raw, columns["label"], task), dtype="object")
    data["idx"] = _idx_series(raw, columns.get("idx", "idx"))
    if columns.get(GROUP) in raw.cells:
        cells = raw.cells[columns[GROUP]]
        data[GROUP] = pd.Series([label_text(cell) for cell in cells], dtype="object")
    for ours, theirs in columns.items():
        if ours.startswith(PARAMETER):
            data[ours] = pd.Series([as_number(cell) for cell in raw.cells[theirs]], dtype="object")
    frame = pd.DataFrame(data)
    frame.index = pd.Index(raw.numbers, name=raw.unit)
    frame.attrs["file"] = raw.file
    return frame


def without_broken_rows(frame: pd.DataFrame, task: Task, split: str) -> pd.DataFrame:
    """Leave out the rows that lack a text, and say so; test splits keep all their rows."""
    broken = frame[list(task.text_columns)].map(labels.is_missing).any(axis="columns")
    if (split in task.test_splits and split != "train") or not broken.any():
        return frame
    log.warning(
        "%s, %s: %d published rows lack a text and are left out (%s)",
        *(task.name, split, int(broken.sum())),
        ", ".join(f"{frame.index.name} {number}" for number in frame.index[broken][:5]),
    )
    return frame[~broken]


def _idx_series(raw: RawTable, column: str) -> pd.Series:
    import pandas as pd

    counted = pd.Series(range(len(raw.numbers)), dtype="int64")
    if column not in raw.cells:
        return counted
    values = [_whole_number(value) for value in raw.cells[column]]
    whole = all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values)
    series = pd.Series(values, dtype="int64" if whole else "object")
    if column == "idx" and (not whole or series.duplicated().any()):
        log.warning(
            "%s: the column idx does not number the rows (it holds other than whole numbers, or one"
            " of them twice), so it is ignored and rows are numbered from 0",
            raw.file,
        )
        return counted
    return series


def _whole_number(value: object) -> object:
    """The whole number that a text or number stands for; anything else as it was."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    # A list or an object of a JSON line as its text: the validation compares values.
    return value if isinstance(value, Hashable) else repr(value)


def missing_columns(raw: RawTable, columns: Mapping[str, str], may_hide: bool) -> dict[str, str]:
    """Our columns that a split needs and its file lacks (with `may_hide` it needs no labels), each
    with what to say about it, as the end of a sentence about the file."""
    optional = {ours for ours, theirs in columns.items() if ours == theirs == "idx"}
    optional |= {"label"} if may_hide else set()
    missing = {}
    for ours, theirs in columns.items():
        if theirs not in raw.names and ours not in optional:
            own = ours.startswith("task.")
            setting = ours.partition(",")[0] if own else f"task.columns.{ours}"
            missing[ours] = (
                f"has no column '{theirs}'{did_you_mean(theirs, raw.names)}; it has"
                f" {', '.join(raw.names)}; name the right one in {setting}"
            )
    return missing


def raw_labels(raw: RawTable, column: str, task: Task) -> list[str | None]:
    """The labels of one file as `labels.label_text` gives them, None where there is none, as in a
    file that has no such column."""
    cells = raw.cells.get(column, [None] * len(raw.numbers))
    for number in several_labels(raw, column, task)[:1]:
        raise UserError(
            f"{raw.file}, {raw.unit} {number}: the label {cells[raw.numbers.index(number)]!r}"
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
    cells = zip(raw.numbers, raw.cells.get(column, ()), strict=False)
    return [number for number, cell in cells if labels.holds_several(cell, task.label_names)]


def read_label_columns(
    frames: Mapping[str, pd.DataFrame], task: Task, *, minus_one_hides: bool
) -> dict[str, pd.DataFrame]:
    """Turn the labels of all splits into class ids (int64) or numbers (float64).

    How classes were read is logged. A label that is missing is hidden in a test split; elsewhere it
    stays None, for the validation to name. So does what is no number.

    With `minus_one_hides` -1 is a hidden label, as in GLUE and on the hub. Otherwise it is one only
    in a test split all of whose labels are -1. It never is where a class is named so, or where a
    regression's range holds it.
    """
    import pandas as pd

    secret = labels.hidden_label(task)
    may_hide = secret == HIDDEN_LABEL and HIDDEN_TEXT not in labels.class_names(task.label_names)
    locations: dict[str, dict[str, str]] = {}
    for split, frame in frames.items():
        first = frame["label"].dropna().drop_duplicates()
        locations[split] = {label: f"{frame.index.name} {at}" for at, label in first.items()}
        all_minus_one = split in task.test_splits and locations[split].keys() == {HIDDEN_TEXT}
        if may_hide and (minus_one_hides or all_minus_one):
            locations[split].pop(HIDDEN_TEXT, None)
    read: Mapping[str, object]
    if task.kind == "classification":
        by, read = labels.read_classes(locations, task)
    else:
        by, read = "", labels.read_numbers(locations, task)
    values: dict[str, object] = {HIDDEN_TEXT: secret, **read}
    kind, dtype = (float, "float64") if task.kind == "regression" else (int, "int64")
    typed = {}
    for split, frame in frames.items():
        missing = secret if split in task.test_splits else None
        column = [missing if label is None else values[label] for label in frame["label"]]
        # In a column of objects where one is no number.
        numbers = all(isinstance(value, kind) for value in column)
        series = pd.Series(column, frame.index, dtype=dtype if numbers else "object")
        typed[split] = frame.assign(label=series)
    if by:
        _log_counts(typed, task, by)
    return typed


def _by_own_names(
    raw: RawTable, column: str, task: Task, texts: Mapping[tuple[type, object], str | None]
) -> dict[tuple[type, object], str | None]:
    """The names of ids that a file itself gives names to; hidden and missing labels stay so."""
    own = [label_text(name) for name in raw.classes[column]]
    if len(set(own)) < len(own) or set(own) != set(labels.class_names(task.label_names)):
        raise UserError(
            f"{raw.file}: the labels are {listed(raw.classes[column])}, but task '{task.name}' has"
            f" {listed(task.label_names) or 'numbers'}; correct task.labels"
        )
    names: dict[str | None, str | None] = {str(at): name for at, name in enumerate(own)}
    # As an id, -1 is no class; where one is named so, only a missing label can say that.
    names |= {None: None, HIDDEN_TEXT: None if HIDDEN_TEXT in own else HIDDEN_TEXT}
    for text in texts.values():
        if text not in names:
            raise UserError(
                f"{raw.file}: the label {text} has no name; the file names the labels 0 to"
                f" {len(own) - 1} ({listed(raw.classes[column])})"
            )
    return {key: names[text] for key, text in texts.items()}


def _log_counts(frames: Mapping[str, pd.DataFrame], task: Task, by: str) -> None:
    """Log in one line how the labels were read, and how many each class has."""
    counts = Counter(label for frame in frames.values() for label in frame["label"])
    shown = [
        f"{counts[at]:,} {name}" + (f" ({at})" if by == "id" else "")
        for at, name in enumerate(task.label_names[:LISTED_CLASSES])
    ]
    if task.num_labels > LISTED_CLASSES:
        shown.append(f"... ({task.num_labels} classes in all)")
    if counts[HIDDEN_LABEL]:
        shown.append(f"{counts[HIDDEN_LABEL]:,} hidden")
    log.info("%s: labels by %s: %s", task.name, by, ", ".join(shown))
