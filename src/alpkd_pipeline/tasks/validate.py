"""Checks of raw splits against their task; every fault is reported at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks import teacher_table
from alpkd_pipeline.tasks.labels import hidden_label, is_hidden, is_missing
from alpkd_pipeline.tasks.task import (
    GROUP,
    HIDDEN_LABEL,
    UNLABELLED,
    Task,
    as_bytes,
    is_blank,
    is_utf8,
    normalise,
)

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

REPORT = "report.json"
LISTED_ROWS, LISTED_VALUES = 5, 3  # row numbers that a fault lists, and labels that it quotes


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule that some rows of one split break."""

    split: str  # the split's name
    file: str  # where the rows come from; empty when unknown
    rule: str  # what is wrong, as the end of a sentence (`sentence is empty`)
    count: int = 0  # how many rows break the rule; 0 when the fault is not one of rows
    rows: tuple[int, ...] = ()  # the numbers of the first of them, counted from 1
    unit: str = "row"  # what the numbers count: `line` of the file or `row` of the table

    def __str__(self) -> str:
        place = f"{self.split} ({self.file})" if self.file else self.split
        if self.count:
            shown = ", ".join(str(row) for row in self.rows[:LISTED_ROWS])
            more = ", ..." if self.count > min(len(self.rows), LISTED_ROWS) else ""
            place = f"{place}, {plural(self.count, self.unit)} ({shown}{more})"
        return f"{place}: {self.rule}"


class DataErrors(UserError):  # noqa: N818 -- it holds many faults
    """Every fault of every split of a data set: a header line, then one line per fault.

    Attributes:
        faults: the faults in the order of the splits.
    """

    def __init__(self, task: str, errors: Sequence[Fault]) -> None:
        self.errors = tuple(errors)
        header = (
            f"the data of task '{task}' has {plural(len(self.errors), 'fault')}, nothing was"
            " written; put right:"
        )
        super().__init__("\n".join([header, *(f"  - {fault}" for fault in self.errors)]))


def text_keys(frame: pd.DataFrame, task: Task) -> list[tuple[str, ...]]:
    """For each row its texts, normalised, in order: the same rows have the same ones.

    A text that is missing is empty.
    """
    columns = (
        ["" if is_missing(text) else normalise(str(text)) for text in frame[name]]
        for name in task.text_columns
    )
    return list(zip(*columns, strict=True))


def check_splits(
    splits: Mapping[str, pd.DataFrame], task: Task, max_overlap: float
) -> dict[str, dict[str, Any]]:
    """Check every split and report every fault at once.

    Rules: the columns are there; texts are text, valid UTF-8 and not blank; labels are known (one
    of the classes, or a number inside the task's range), hidden in test splits only and none in
    the split `unlabelled`; train has rows of every class; `idx` is whole and unique; what a table
    says as teacher are probabilities that add up to 1, or numbers; no split is empty; at most
    `max_overlap` of a dev split's rows occur in train or `unlabelled` (texts compared without case,
    Unicode form and white space); a dev split shares no group with them.

    Rows of train in a test split are counted and allowed.

    Returns:
        For each split, JSON-ready: `rows`; `labels`, rows per class name and `hidden` if there are
        hidden ones, or for a regression the `min`, `mean` and `max` of the known labels;
        `overlap`, rows whose texts are also in train (0 for train itself); `repeated`, rows whose
        texts occurred before in the same split; `groups`, how many there are, where rows have any.

    Raises:
        DataFaults: all faults of all splits.
    """
    errors = [fault for split, frame in splits.items() for fault in row_errors(split, frame, task)]
    errors += _class_errors(splits, task)
    keys = {
        split: text_keys(frame, task)
        for split, frame in splits.items()
        if set(task.text_columns) <= set(frame.columns)
    }
    errors += _group_errors(splits, task)
    known = set(keys.get("train", ()))
    # Students train on both; rows that lack a text are not compared.
    seen = known | set(keys.get(UNLABELLED, ()))
    shared = {
        split: sum(all(row) and row in (known if split == UNLABELLED else seen) for row in rows)
        for split, rows in keys.items()
        if split != "train"
    }
    for split, count in shared.items():
        rows, file = len(keys[split]), str(splits[split].attrs.get("file", ""))
        said = f"{count} of {rows} rows ({count / max(rows, 1):.2%}) are also in train"
        if count:
            log.warning("%s, %s: %s", task.name, split, said)
        if split in task.dev_splits and count > max_overlap * rows:
            allowed = f"more than task.max_overlap allows ({max_overlap:.2%})"
            errors.append(Fault(split, file, f"{said}, {allowed}; take them out of train"))
    if errors:
        raise DataErrors(task.name, errors)
    return {
        split: {
            "rows": len(frame),
            "labels": _label_counts(frame["label"], task),
            "overlap": shared.get(split, 0),
            "repeated": len(keys[split]) - len(set(keys[split])),
            **({"groups": frame[GROUP].nunique()} if GROUP in frame else {}),
        }
        for split, frame in splits.items()
    }


def row_errors(split: str, frame: pd.DataFrame, task: Task) -> list[Fault]:
    """The rules that rows of one split break, each with its rows."""
    file = str(frame.attrs.get("file", ""))
    if frame.empty:
        return [Fault(split, file, "it has no rows")]
    if frame.index.name not in ("line", "row"):
        frame = frame.set_axis(range(1, len(frame) + 1)).rename_axis("row")
    hides = split in (*task.test_splits, UNLABELLED)
    columns = (*task.text_columns, "label", "idx")
    errors = [
        Fault(split, file, f"column '{name}' is missing") for name in columns if name not in frame
    ]
    said, taught = teacher_table.columns_of(frame, task), teacher_table.not_whole(frame, task)
    for name in (name for name in (*columns, GROUP, *said) if name in frame):
        values, missing = frame[name], frame[name].isna()
        wrong: dict[str, Any] = {}
        if name != "label" or not hides:
            wrong[f"{name} is missing"] = missing
        if name == "idx":
            wrong["idx occurs more than once"] = values.duplicated(keep=False)
        for rule, holds in _rules(name, task, split).items():
            pairs = zip(values, missing, strict=True)
            wrong[rule] = [not gone and not holds(value) for value, gone in pairs]
        if name in said[-1:]:
            wrong[taught[0]] = taught[1]
        for rule, is_wrong in wrong.items():
            found = values[is_wrong]
            if len(found):
                shown = "" if is_wrong is missing or name not in ("label", "idx") else _some(found)
                if (split, name) == ("train", "label") and shown == "" and len(found) < len(frame):
                    shown = "; task.unlabelled=allow lets such rows train students"
                rows = tuple(sorted(found.index)[:LISTED_ROWS])
                unit = str(frame.index.name)
                errors.append(Fault(split, file, rule + shown, len(found), rows, unit))
    return errors


def _rules(name: str, task: Task, split: str) -> dict[str, Callable[[Any], bool]]:
    """What the values of a column must be: each rule, as a fault says it, and whether it holds."""
    if name in task.text_columns:
        return {
            f"{name} is not text": lambda v: isinstance(v, str | bytes),
            f"{name} is blank": lambda v: not (isinstance(v, str) and is_blank(v)),
            f"{name} is not UTF-8": lambda v: not isinstance(v, bytes) and is_utf8(str(v)),
        }
    if name == "idx":
        return {
            "idx is not a whole number": _is_whole,
            "idx has more than 64 bits": lambda v: not _is_whole(v) or -(2**63) <= v < 2**63,
        }
    if name == GROUP:
        return {}
    if name.startswith(teacher_table.PARAMETER):
        return teacher_table.rules(name)
    hidden = hidden_label(task)
    if split == UNLABELLED:
        advice = "leave them empty here, or put these rows into train"
        return {f"label is given where none is read ({advice})": lambda v: v == hidden}
    if task.kind == "classification":
        names, last = ", ".join(task.label_names), task.num_labels - 1
        rules: dict[str, Callable[[Any], bool]] = {
            f"label is none of {names} (or 0 to {last})": lambda v: (
                _is_whole(v) and HIDDEN_LABEL <= v <= last
            )
        }
        advice = ""
    else:
        low, high = task.label_range or (-math.inf, math.inf)
        rules = {
            "label is not a finite number": _is_finite,
            f"label is outside {low:g} to {high:g}": lambda v: (
                not _is_finite(v) or low <= v <= high or v == hidden
            ),
        }
        advice = "; is -1 inside task.label_range?"
    if split not in task.test_splits:
        rule = f"label is hidden (-1), which only test splits may have{advice}"
        rules[rule] = lambda v: v != hidden
    return rules


def _is_whole(value: Any) -> bool:
    return hasattr(value, "__index__")


def _is_finite(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # a whole number larger than any float
        return False


def _some(values: Iterable[Any]) -> str:
    """Some of the values, behind a rule; text that is not UTF-8 as bytes."""
    whole = (as_bytes(v) if isinstance(v, str) and not is_utf8(v) else v for v in values)
    shown = list(dict.fromkeys(map(repr, whole)))
    more = ", ..." if len(shown) > LISTED_VALUES else ""
    return f": {', '.join(shown[:LISTED_VALUES])}{more}"


def _class_errors(splits: Mapping[str, pd.DataFrame], task: Task) -> list[Fault]:
    """A class that train does not have cannot be learned, and nothing else would say so."""
    train = splits.get("train")
    if task.kind != "classification" or train is None or train.empty or "label" not in train:
        return []
    seen = {split: set(frame["label"]) for split, frame in splits.items() if "label" in frame}
    if not all(_is_whole(label) for label in seen["train"]):  # a fault of its own
        return []
    file, everywhere = str(train.attrs.get("file", "")), set().union(*seen.values())
    said: dict[str, list[str]] = {"train": [], "any split": []}
    for at, name in enumerate(task.label_names):
        if at not in seen["train"]:
            said["train" if at in everywhere else "any split"].append(name)
    advice = "add such rows, or leave the class out of task.labels and its rows out of the files"
    return [
        Fault("train", file, f"no row of {where} has the class {', '.join(names)}; {advice}")
        for where, names in said.items()
        if names
    ]


def _group_errors(splits: Mapping[str, pd.DataFrame], task: Task) -> list[Fault]:
    """Rows of one group are so alike that a model which saw some of them knows the others."""
    found = {split: {*f[GROUP].dropna()} for split, f in splits.items() if GROUP in f}
    trained = found.get("train", set()) | found.get(UNLABELLED, set())
    return [
        Fault(
            split,
            str(splits[split].attrs.get("file", "")),
            f"it shares {plural(len(both), 'group')} of {GROUP} with train{_some(both)}; keep each"
            " on one side, or give no dev file: it is then cut from train by whole groups",
        )
        for split in task.dev_splits
        if (both := sorted(found.get(split, set()) & trained))
    ]


def _label_counts(labels: pd.Series, task: Task) -> dict[str, float]:
    hidden = is_hidden(labels, task)
    known = labels[~hidden]
    counts: dict[str, float] = {}
    if task.kind == "classification":
        counts = {name: int((known == i).sum()) for i, name in enumerate(task.label_names)}
    elif len(known):
        counts = {"min": float(known.min()), "mean": float(known.mean()), "max": float(known.max())}
    return counts | ({"hidden": int(hidden.sum())} if hidden.any() else {})


def write_splits(
    frames: dict[str, pd.DataFrame], task: Mapping[str, Any], max_overlap: float, folder: Path
) -> None:
    """Check the splits of a task; write each as `<split>.parquet` and the report of the check.

    Rows without a label join train, behind its own: the label is -1, of a regression NaN.
    `max_overlap` is the share of dev rows that may also stand in train.

    Raises:
        UserError: every fault of every split; nothing is written.
    """
    import pandas as pd

    known = Task.from_dict(dict(task))
    report = {"task": known.name, "splits": check_splits(frames, known, max_overlap)}
    joined = dict(frames)
    if (more := joined.pop(UNLABELLED, None)) is not None:
        train = joined["train"]
        more = more.assign(label=HIDDEN_LABEL if known.kind == "classification" else math.nan)
        if more["idx"].isin(train["idx"]).any() or more["idx"].duplicated().any():
            first = int(train["idx"].max()) + 1
            more = more.assign(idx=range(first, first + len(more)))
        joined["train"] = pd.concat([train, more[list(train.columns)]])
    for name, frame in joined.items():
        # What sources note about a frame, such as its file, has no place in a result.
        frame = frame.drop(columns=GROUP, errors="ignore").reset_index(drop=True)
        frame.attrs = {}
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    write_json(folder / REPORT, report)
