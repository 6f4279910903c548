"""Everything that is wrong with a task's files, once one of them could not be read.

A reader stops at the first thing that it cannot make sense of. A person who puts that right does
not want to hear of the next one only then, so here the files are read once more, each on its own
and each as far as it goes. Nothing that was read here is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import folder, table
from alpkd_pipeline.tasks.sources.frames import (
    SplitFile,
    missing_columns,
    read_label_columns,
    several_labels,
    split_frame,
)
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import SHOWN_ROWS, DataFaults, Fault, row_faults

if TYPE_CHECKING:
    import pandas as pd


def every_fault(spec: SourceSpec, task: Task, project: Path, first: UserError) -> UserError:
    """What to say instead of a reader's first complaint.

    Returns:
        All faults of all files; the first complaint alone where it is not about what is in files,
        or where the files do not lie on this machine.
    """
    sources = {"folder": folder, "table": table}
    try:
        files = sources[spec.kind].split_files(spec, task, project) if spec.kind in sources else {}
    except UserError:
        return first
    faults: dict[str, list[Fault]] = {split: [] for split in files}
    frames: dict[str, pd.DataFrame] = {}
    for split, file in files.items():
        try:
            frames[split] = _completed(file, task, split, faults[split])
        except UserError as error:
            said = str(error).removeprefix(str(file.path)).lstrip(", ")
            faults[split].append(Fault(split, str(file.path), said))
    frames, labels = _label_faults(frames, task, spec)
    for split, frame in frames.items():
        found = row_faults(split, _with_some_label(frame, task, frame.attrs["several"]), task)
        faults[split] += [fault for fault in found if fault.rule not in frame.attrs["told"]]
    others = [fault for of_split in faults.values() for fault in of_split]
    return DataFaults(task.name, [*others, *labels]) if others else first


def _completed(file: SplitFile, task: Task, split: str, faults: list[Fault]) -> pd.DataFrame:
    """A file's frame, with nothing in place of what keeps it from becoming one.

    What had to give way is added to the faults. In the frame's `attrs` are the rules that speak of
    what is missing, `told`, and the numbers of the rows with several labels, `several`.
    """
    raw, columns = file.read(), dict(file.columns)
    missing = missing_columns(raw, columns, split in task.test_splits)
    faults += [Fault(split, raw.place, said) for said in missing.values()]
    cells = {**raw.cells, **{columns[ours]: [None] * len(raw.numbers) for ours in missing}}
    several = several_labels(raw, columns["label"], task)
    if several:
        rule = "the label holds several values; keep one, or make one task for each label"
        shown = tuple(several[:SHOWN_ROWS])
        faults.append(Fault(split, raw.place, rule, len(several), shown, raw.unit))
        aside, pairs = set(several), zip(raw.numbers, raw.cells[columns["label"]], strict=True)
        cells[columns["label"]] = [None if n in aside else value for n, value in pairs]
    names = (*raw.names, *(columns[ours] for ours in missing))
    frame = split_frame(replace(raw, names=names, cells=cells), task, split, columns)
    told = {f"{ours} is missing" for ours in missing}
    frame.attrs |= {"told": told, "several": several}
    return frame


def _label_faults(
    frames: dict[str, pd.DataFrame], task: Task, spec: SourceSpec
) -> tuple[dict[str, pd.DataFrame], list[Fault]]:
    """The frames with their labels read; with some label in each row where they cannot be."""
    try:
        return read_label_columns(frames, task, minus_one_hides=spec.kind == "folder"), []
    except UserError as error:
        fault = Fault("labels", "", str(error).partition("labels: ")[2])
    for split, frame in frames.items():
        given = frame["label"].notna() | (split in task.test_splits)
        frames[split] = _with_some_label(frame, task, frame.index[given])
    return frames, [fault]


def _with_some_label(frame: pd.DataFrame, task: Task, rows: Iterable[int]) -> pd.DataFrame:
    """The frame with a label that is in order in those rows."""
    good = 0 if task.kind == "classification" else (task.label_range or (0.0,))[0]
    labels = frame["label"].astype("object")
    labels[list(rows)] = good
    return frame.assign(label=labels)
