"""Checks of raw splits against their task; every fault is reported at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.faults import (
    SHOWN_ROWS,
    DataFaults,
    Fault,
    count_repeated,
    count_shared,
    text_keys,
)
from alpkd_pipeline.tasks.labels import hidden_label
from alpkd_pipeline.tasks.task import HIDDEN_LABEL, Task, as_bytes, is_blank, is_utf8

if TYPE_CHECKING:
    import pandas as pd
    from pandera.pandas import Check, DataFrameSchema

log = logging.getLogger(__name__)

SHOWN_VALUES = 3
"""How many of the faulty labels a fault quotes."""

_ADD_ROWS = "add such rows, or leave the class out of task.labels and its rows out of the files"


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """What a checked split holds.

    Attributes:
        rows: how many rows.
        labels: rows per class name, and `hidden` if there are hidden ones; for a regression the
            `min`, `mean` and `max` of the known labels.
        overlap: rows whose texts are also in train; 0 for train itself.
        repeated: rows whose texts occurred before in the same split.
    """

    rows: int
    labels: dict[str, float]
    overlap: int
    repeated: int


@dataclass(frozen=True, slots=True)
class SplitReport:
    """The facts of every split, by split name."""

    task: str
    splits: dict[str, SplitFacts]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)


def check_splits(splits: Mapping[str, pd.DataFrame], task: Task, max_overlap: float) -> SplitReport:
    """Check every split and report every fault at once.

    Rules: the columns are there; texts are text, valid UTF-8 and not blank; labels are known (one
    of the classes, or a number inside the task's range) and hidden in test splits only; train has
    rows of every class; `idx` is whole and unique; no split is empty; at most `max_overlap` of a
    dev split's rows occur in train (texts compared without case, Unicode form and white space).

    Args:
        splits: split frames as `sources.load_splits` gives them.
        task: the task.
        max_overlap: the share of a dev split's rows that may also be in train, 0 to 1. Rows of test
            splits are counted and allowed.

    Returns:
        Row and label counts, overlap and repeated rows.

    Raises:
        DataFaults: all faults of all splits.
    """
    faults = [fault for split, frame in splits.items() for fault in row_faults(split, frame, task)]
    faults += _class_faults(splits, task)
    keys = {
        split: text_keys(frame, task)
        for split, frame in splits.items()
        if set(task.text_columns) <= set(frame.columns)
    }
    known = set(keys.get("train", ()))
    shared = {split: count_shared(keys[split], known) for split in keys if split != "train"}
    for split, count in shared.items():
        faults += _overlap_faults(split, splits[split], task, count, max_overlap)
    if faults:
        raise DataFaults(task.name, faults)
    facts = {
        split: SplitFacts(
            rows=len(frame),
            labels=_label_counts(frame["label"], task),
            overlap=shared.get(split, 0),
            repeated=count_repeated(keys[split]),
        )
        for split, frame in splits.items()
    }
    return SplitReport(task.name, facts)


def split_schema(task: Task, split: str) -> DataFrameSchema:
    """The pandera schema of one split of a task; each check's `error` is the rule it states."""
    import pandera.pandas as pa

    hides = split in task.test_splits
    columns = {name: pa.Column(checks=_text_checks(name)) for name in task.text_columns}
    columns["label"] = pa.Column(checks=_label_checks(task, hides), nullable=hides)
    number = [
        _check("idx is not a whole number", _is_whole),
        _check("idx has more than 64 bits", lambda v: not _is_whole(v) or -(2**63) <= v < 2**63),
    ]
    columns["idx"] = pa.Column(checks=number, unique=True)
    return pa.DataFrameSchema(columns)


def _text_checks(name: str) -> list[Check]:
    return [
        _check(f"{name} is not text", lambda value: isinstance(value, str | bytes)),
        _check(f"{name} is blank", lambda value: not (isinstance(value, str) and is_blank(value))),
        _check(f"{name} is not UTF-8", lambda value: not isinstance(value, bytes)),
    ]


def _label_checks(task: Task, hides: bool) -> list[Check]:
    if task.kind == "classification":
        names = ", ".join(task.label_names)
        last = task.num_labels - 1
        rule = f"label is none of {names} (or 0 to {last})"
        checks = [_check(rule, lambda v: _is_whole(v) and HIDDEN_LABEL <= v <= last)]
    else:
        low, high = task.label_range or (-math.inf, math.inf)
        hidden = hidden_label(task)
        checks = [
            _check("label is not a finite number", _is_finite),
            _check(
                f"label is outside {low:g} to {high:g}",
                lambda v: not _is_finite(v) or low <= v <= high or v == hidden,
            ),
        ]
    if not hides:
        advice = "" if task.kind == "classification" else "; is -1 inside task.label_range?"
        rule = f"label is hidden (-1), which only test splits may have{advice}"
        checks.append(_check(rule, lambda v: v != hidden_label(task)))
    return checks


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__")


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number larger than any float
        return False


def _check(rule: str, holds: Callable[[Any], bool]) -> Check:
    import pandas as pd
    from pandera.pandas import Check

    def every(values: pd.Series) -> pd.Series:
        return pd.Series([holds(value) for value in values], index=values.index, dtype="bool")

    return Check(every, error=rule)


def row_faults(split: str, frame: pd.DataFrame, task: Task) -> list[Fault]:
    """The rules that rows of one split break, each with its rows."""
    from pandera.errors import SchemaErrors

    file = str(frame.attrs.get("file", ""))
    if frame.empty:
        return [Fault(split, file, "it has no rows")]
    numbered = _reportable(_numbered(frame))
    try:
        split_schema(task, split).validate(numbered, lazy=True)
    except SchemaErrors as errors:
        groups: dict[tuple[str, str], list[tuple[Any, Any]]] = {}
        cases = errors.failure_cases
        for column, check, case, at in zip(
            cases["column"], cases["check"], cases["failure_case"], cases["index"], strict=True
        ):
            name = str(case) if check == "column_in_dataframe" else str(column)
            groups.setdefault((name, str(check)), []).append((at, case))
        unit = str(numbered.index.name)
        return [
            _fault(split, file, unit, column, check, found)
            for (column, check), found in groups.items()
        ]
    return []


def _fault(
    split: str, file: str, unit: str, column: str, check: str, found: list[tuple[Any, Any]]
) -> Fault:
    """One fault out of the failures of one check: their row numbers and values."""
    if check == "column_in_dataframe":
        return Fault(split, file, f"column '{column}' is missing")
    rule = {
        "not_nullable": f"{column} is missing",
        "field_uniqueness": f"{column} occurs more than once",
    }.get(check, check)
    if column in ("label", "idx") and check != "not_nullable":
        values = list(dict.fromkeys(repr(value) for _, value in found))
        more = ", ..." if len(values) > SHOWN_VALUES else ""
        rule = f"{rule}: {', '.join(values[:SHOWN_VALUES])}{more}"
    rows = sorted(int(at) for at, _ in found)
    return Fault(split, file, rule, len(rows), tuple(rows[:SHOWN_ROWS]), unit)


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with rows numbered by their source, or else from 1."""
    if frame.index.name in ("line", "row"):
        return frame
    return frame.set_axis(range(1, len(frame) + 1)).rename_axis("row")


def _reportable(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every text that is not UTF-8 as bytes: pandera cannot quote it otherwise."""
    import pandas as pd

    safe = frame.copy()
    for name in frame.columns:
        if frame[name].dtype == "object":
            values = [_as_bytes(value) for value in frame[name]]
            safe[name] = pd.Series(values, frame.index, dtype="object")
    return safe


def _as_bytes(value: Any) -> Any:
    if isinstance(value, str) and not is_utf8(value):
        return as_bytes(value)
    return value


def _class_faults(splits: Mapping[str, pd.DataFrame], task: Task) -> list[Fault]:
    """A class that train does not have cannot be learned, and nothing else would say so."""
    train = splits.get("train")
    if task.kind != "classification" or train is None or train.empty or "label" not in train:
        return []
    seen = {split: set(frame["label"]) for split, frame in splits.items() if "label" in frame}
    if not all(_is_whole(label) for label in seen["train"]):  # a fault of its own
        return []
    lacking = {at: name for at, name in enumerate(task.label_names) if at not in seen["train"]}
    nowhere = [n for at, n in lacking.items() if not any(at in ids for ids in seen.values())]
    other = [name for name in lacking.values() if name not in nowhere]
    file = str(train.attrs.get("file", ""))
    said = {"train": other, "any split": nowhere}
    return [
        Fault("train", file, f"no row of {where} has the class {', '.join(names)}; {_ADD_ROWS}")
        for where, names in said.items()
        if names
    ]


def _overlap_faults(
    split: str, frame: pd.DataFrame, task: Task, count: int, max_overlap: float
) -> list[Fault]:
    """Log rows of train inside another split; a fault where a dev split has too many."""
    if not count:
        return []
    said = f"{count} of {len(frame)} rows ({count / len(frame):.2%}) are also in train"
    log.warning("%s, %s: %s", task.name, split, said)
    if split not in task.dev_splits or count <= max_overlap * len(frame):
        return []
    rule = f"{said}, more than task.max_overlap allows ({max_overlap:.2%}); take them out of train"
    return [Fault(split, str(frame.attrs.get("file", "")), rule)]


def _label_counts(labels: pd.Series, task: Task) -> dict[str, float]:
    hidden = labels.isna() | (labels == hidden_label(task))
    known = labels[~hidden]
    counts: dict[str, float] = {}
    if task.kind == "classification":
        counts = {name: int((known == i).sum()) for i, name in enumerate(task.label_names)}
    elif len(known):
        counts = {"min": float(known.min()), "mean": float(known.mean()), "max": float(known.max())}
    return counts | ({"hidden": int(hidden.sum())} if hidden.any() else {})


REPORT = "report.json"


def write_splits(
    frames: dict[str, pd.DataFrame], task: Mapping[str, Any], max_overlap: float, folder: Path
) -> None:
    """Check the splits of a task; write each as `<split>.parquet` and the report of the check.

    Args:
        frames: one frame a split, as `sources.load_splits` gives them.
        task: `Task.to_dict()`.
        max_overlap: the share of dev rows that may also stand in train.
        folder: where the files go.

    Raises:
        UserError: every fault of every split; nothing is written.
    """
    from alpkd_pipeline.tasks.validate import check_splits

    report = check_splits(frames, Task.from_dict(dict(task)), max_overlap)
    for name, frame in frames.items():
        # What sources note about a frame, such as its file, has no place in a result.
        frame = frame.reset_index(drop=True)
        frame.attrs = {}
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    write_json(folder / REPORT, report.to_dict())
