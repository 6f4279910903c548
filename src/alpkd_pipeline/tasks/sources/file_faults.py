"""Everything that is wrong with a task's files, once one of them could not be read.

A reader stops at the first thing that it cannot make sense of. A person who puts that right does
not want to hear of the next one only then, so here the files are read once more, each on its own
and each as far as it goes. Nothing that was read here is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.faults import SHOWN_ROWS, DataFaults, Fault
from alpkd_pipeline.tasks.sources import folder, table
from alpkd_pipeline.tasks.sources.frames import (
    missing_columns,
    no_such_column,
    split_frame,
    wanted_columns,
)
from alpkd_pipeline.tasks.sources.label_columns import read_label_columns, several_labels
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import row_faults

if TYPE_CHECKING:
    import pandas as pd

Read = Callable[[], tuple[RawTable, dict[str, str]]]


def every_fault(spec: SourceSpec, task: Task, project: Path, first: UserError) -> UserError:
    """What to say instead of a reader's first complaint.

    Args:
        spec: the source.
        task: the task.
        project: what relative paths are relative to.
        first: the complaint.

    Returns:
        All faults of all files; the first complaint alone where it is not about what is in files,
        or where the files do not lie on this machine.
    """
    try:
        readers = _readers(spec, task, project)
    except UserError:
        return first
    faults: dict[str, list[Fault]] = {split: [] for split in readers}
    tables: dict[str, _Table] = {}
    for split, (path, read) in readers.items():
        try:
            tables[split] = _completed(*read(), task, split)
            faults[split] += tables[split].faults
        except UserError as error:
            faults[split].append(Fault(split, str(path), _without_place(str(error), str(path))))
    frames, labels = _label_faults({s: table.frame for s, table in tables.items()}, task, spec)
    for split, frame in frames.items():
        frame = _with_some_label(frame, task, tables[split].several)
        told = {f"{ours} is missing" for ours in tables[split].missing}
        faults[split] += [f for f in row_faults(split, frame, task) if f.rule not in told]
    others = [fault for of_split in faults.values() for fault in of_split]
    return DataFaults(task.name, [*others, *labels]) if others else first


def _readers(spec: SourceSpec, task: Task, project: Path) -> dict[str, tuple[Path, Read]]:
    """How to read each split's file."""
    if spec.kind == "folder":
        found = folder.find_files(spec, task, project)
        return {
            split: (path, partial(folder.read_split, found, task, split))
            for split, path in found.splits.items()
        }
    if spec.kind == "table":
        wanted_columns(task, spec.columns)  # a wrong mapping is no fault of the files
        files = table.find_files(spec, task, project)
        return {
            split: (path, partial(table.read_split, spec, task, path))
            for split, path in files.items()
        }
    return {}


@dataclass(frozen=True, slots=True)
class _Table:
    """A file with nothing in place of what keeps it from becoming a frame.

    Attributes:
        frame: the frame.
        faults: what had to give way.
        missing: among it, our columns that the file does not have.
        several: among it, the numbers of rows with several labels.
    """

    frame: pd.DataFrame
    faults: list[Fault]
    missing: list[str]
    several: list[int]


def _completed(raw: RawTable, columns: dict[str, str], task: Task, split: str) -> _Table:
    missing = missing_columns(raw, columns, split in task.test_splits)
    faults = [Fault(split, raw.place, no_such_column(raw, o, columns[o])) for o in missing]
    cells: dict[str, Sequence[object]] = dict(raw.cells)
    cells |= {columns[ours]: [None] * len(raw.numbers) for ours in missing}
    several = several_labels(raw, columns["label"], task)
    if several:
        rule = "the label holds several values; keep one, or make one task for each label"
        shown = tuple(several[:SHOWN_ROWS])
        faults.append(Fault(split, raw.place, rule, len(several), shown, raw.unit))
        aside, pairs = set(several), zip(raw.numbers, raw.cells[columns["label"]], strict=True)
        cells[columns["label"]] = [None if n in aside else value for n, value in pairs]
    names = (*raw.names, *(columns[ours] for ours in missing))
    frame = split_frame(replace(raw, names=names, cells=cells), task, split, columns)
    return _Table(frame, faults, missing, several)


def _label_faults(
    frames: dict[str, pd.DataFrame], task: Task, spec: SourceSpec
) -> tuple[dict[str, pd.DataFrame], list[Fault]]:
    """The frames with their labels read; with some label in each row where they cannot be."""
    try:
        return read_label_columns(frames, task, minus_one_hides=spec.kind == "folder"), []
    except UserError as error:
        fault = Fault("labels", "", str(error).partition("labels: ")[2])
    everywhere = {
        split: _with_some_label(
            frame,
            task,
            frame.index if split in task.test_splits else frame.index[frame["label"].notna()],
        )
        for split, frame in frames.items()
    }
    return everywhere, [fault]


def _with_some_label(frame: pd.DataFrame, task: Task, rows: Iterable[int]) -> pd.DataFrame:
    """The frame with a label that is in order in those rows."""
    good = 0 if task.kind == "classification" else (task.label_range or (0.0,))[0]
    labels = frame["label"].astype("object")
    labels[list(rows)] = good
    return frame.assign(label=labels)


def _without_place(said: str, path: str) -> str:
    """A reader's complaint without the file that it begins with."""
    return said.removeprefix(path).lstrip(", ")
