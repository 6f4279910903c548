"""Everything that is wrong with a task's files, once one of them could not be read.

A reader stops at the first thing that it cannot make sense of. A person who puts that right does
not want to hear of the next one only then, so here the files are read once more, each on its own
and each as far as it goes. Nothing that was read here is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.faults import SHOWN_ROWS, DataFaults, Fault
from alpkd_pipeline.tasks.labels import read_label
from alpkd_pipeline.tasks.sources import folder, table
from alpkd_pipeline.tasks.sources.frames import (
    missing_columns,
    no_such_column,
    split_frame,
    wanted_columns,
)
from alpkd_pipeline.tasks.sources.raw import RawTable
from alpkd_pipeline.tasks.sources.spec import SourceSpec
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import check_splits

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
    faults = [
        fault for split, (path, read) in readers.items() for fault in _of(split, path, read, task)
    ]
    return DataFaults(task.name, faults) if faults else first


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


def _of(split: str, path: Path, read: Read, task: Task) -> list[Fault]:
    try:
        raw, columns = read()
    except UserError as error:
        return [Fault(split, str(path), _without_place(str(error), str(path)))]
    may_hide = split in task.test_splits
    missing = missing_columns(raw, columns, may_hide)
    faults = [Fault(split, raw.place, no_such_column(raw, o, columns[o])) for o in missing]
    several = _several_labels(raw, columns["label"], task, may_hide)
    if several:
        rule = "the label holds several values; keep one, or make one task for each label"
        faults.append(
            Fault(split, raw.place, rule, len(several), tuple(several[:SHOWN_ROWS]), raw.unit)
        )
    return faults + _of_rows(raw, columns, task, split, missing, set(several))


def _of_rows(
    raw: RawTable,
    columns: dict[str, str],
    task: Task,
    split: str,
    missing: list[str],
    several: set[int],
) -> list[Fault]:
    """The faults of the rows, but for columns that are missing and rows with several labels."""
    cells: dict[str, Sequence[object]] = dict(raw.cells)
    cells |= {columns[ours]: [None] * len(raw.numbers) for ours in missing}
    if several:
        pairs = zip(raw.numbers, raw.cells[columns["label"]], strict=True)
        good = _some_label(task)
        cells[columns["label"]] = [good if n in several else value for n, value in pairs]
    names = (*raw.names, *(columns[ours] for ours in missing))
    frame = split_frame(replace(raw, names=names, cells=cells), task, split, columns)
    try:
        check_splits({split: frame}, task, max_overlap=1.0)
    except DataFaults as found:
        told = {f"{ours} is missing" for ours in missing}
        return [fault for fault in found.faults if fault.rule not in told]
    return []


def _some_label(task: Task) -> object:
    if task.kind == "classification":
        return task.label_names[0]
    return task.label_range[0] if task.label_range else 0.0


def _several_labels(raw: RawTable, column: str, task: Task, may_hide: bool) -> list[int]:
    """The numbers of the rows with more than one label."""
    found = []
    for number, value in zip(raw.numbers, raw.cells.get(column, ()), strict=False):
        try:
            read_label(value, task, may_hide=may_hide)
        except UserError:
            found.append(number)
    return found


def _without_place(said: str, path: str) -> str:
    """A reader's complaint without the file that it begins with."""
    return said.removeprefix(path).lstrip(", ")
