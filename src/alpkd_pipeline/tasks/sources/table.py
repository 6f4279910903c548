"""A user's own files, CSV, TSV, JSON lines or parquet, one per split; and reading any task's files.

Each file is read on its own and as far as it goes, so that a person hears of all that is wrong at
once: what comes out are the frames of all files, or every fault of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources import frames
from alpkd_pipeline.tasks.sources.frames import SplitFile
from alpkd_pipeline.tasks.sources.raw import is_there, read_table
from alpkd_pipeline.tasks.task import GROUP, UNLABELLED, SourceSpec, Task
from alpkd_pipeline.tasks.teacher_table import teacher_names
from alpkd_pipeline.tasks.validate import LISTED_ROWS, DataErrors, Fault, row_errors

if TYPE_CHECKING:
    import pandas as pd


def find_files(spec: SourceSpec, task: Task, project: Path) -> dict[str, Path]:
    """The file of each split."""
    allowed = dict.fromkeys(("train", *task.dev_splits, *task.test_splits))
    if "train" not in spec.files:
        raise UserError("task.files names no file for 'train'; give at least task.files.train")
    files = {}
    for split, name in spec.files.items():
        if split not in allowed:
            raise UserError(
                f"task.files names the split '{split}', which task '{task.name}' does not have;"
                f" choose from {', '.join(allowed)}"
            )
        files[split] = spec.folder(project) / Path(name).expanduser()
        if not is_there(files[split]):
            raise UserError(f"task.files.{split}: the file {files[split]} does not exist")
    return files


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Read every split's file; labels are class names, class ids, or numbers for a regression.
    Quotes are special in .csv only."""
    more = {GROUP: spec.group_column} if spec.group_column else {}
    if spec.teacher_columns:
        names = teacher_names(task, spec.teacher_values)
        more |= {ours: spec.teacher_columns[name] for name, ours in names.items()}
    files = {}
    for split, path in find_files(spec, task, project).items():
        columns = frames.wanted_columns(task, spec.columns)
        with_more = split in ("train", UNLABELLED, *task.dev_splits)
        files[split] = SplitFile(path, columns | (more if with_more else {}), read_table)
    return read_files(files, task, minus_one_hides=False)


def read_files(
    files: Mapping[str, SplitFile],
    task: Task,
    *,
    minus_one_hides: bool,
    arrange: Callable[[dict[str, pd.DataFrame]], dict[str, pd.DataFrame]] = dict,
) -> dict[str, pd.DataFrame]:
    """Read the file of every split into frames as `sources.load_splits` has them; `arrange` may
    move or drop rows before labels are read, with `minus_one_hides` as `read_label_columns` says.
    UserError with all faults of all files, or where nothing else is wrong with what cannot be
    arranged or read as labels."""
    errors: dict[str, list[Fault]] = {split: [] for split in files}
    splits: dict[str, pd.DataFrame] = {}
    for split, file in files.items():
        try:
            splits[split] = _completed(file, task, split, errors[split])
        except UserError as error:
            rule = str(error).removeprefix(str(file.path)).lstrip(", ")
            errors[split].append(Fault(split, str(file.path), rule))
    first = None
    if not any(errors.values()):
        try:
            return frames.read_label_columns(arrange(splits), task, minus_one_hides=minus_one_hides)
        except UserError as error:
            first = error
    labels = []
    try:
        splits = frames.read_label_columns(splits, task, minus_one_hides=minus_one_hides)
    except UserError as error:
        labels = [Fault("labels", "", str(error).partition("labels: ")[2])]
        for split, frame in splits.items():
            labelled = frame.index[frame["label"].notna() | (split in task.test_splits)]
            splits[split] = (
                frame.assign(label=None)
                if split == UNLABELLED
                else _with_some_label(frame, task, labelled)
            )
    for split, frame in splits.items():
        of_rows = row_errors(split, _with_some_label(frame, task, frame.attrs["several"]), task)
        errors[split] += [fault for fault in of_rows if fault.rule not in frame.attrs["missing"]]
    others = [fault for of_split in errors.values() for fault in of_split]
    if first is not None and not others:
        raise first
    raise DataErrors(task.name, [*others, *labels])


def _completed(file: SplitFile, task: Task, split: str, errors: list[Fault]) -> pd.DataFrame:
    """A file's frame, with nothing in place of what keeps it from becoming one, which is added to
    the faults. In the frame's `attrs` are the rules that speak of what is `missing`, and the
    numbers of the rows with `several` labels."""
    columns = file.columns
    raw = file.reader(file.path, columns.values())
    missing = frames.missing_columns(raw, columns, split in task.test_splits)
    errors += [Fault(split, raw.file, rule) for rule in missing.values()]
    cells = {**raw.cells, **{columns[ours]: [None] * len(raw.numbers) for ours in missing}}
    several = frames.several_labels(raw, columns["label"], task)
    if several:
        rule = "the label holds several values; keep one, or make one task for each label"
        first = tuple(several[:LISTED_ROWS])
        errors.append(Fault(split, raw.file, rule, len(several), first, raw.unit))
        emptied, pairs = set(several), zip(raw.numbers, raw.cells[columns["label"]], strict=True)
        cells[columns["label"]] = [None if n in emptied else value for n, value in pairs]
    names = (*raw.names, *(columns[ours] for ours in missing))
    frame = frames.split_frame(replace(raw, names=names, cells=cells), task, split, columns)
    frame.attrs |= {"missing": [f"{ours} is missing" for ours in missing], "several": several}
    return frame


def _with_some_label(frame: pd.DataFrame, task: Task, rows: Iterable[int]) -> pd.DataFrame:
    """The frame with a label that is in order in those rows."""
    good = 0 if task.kind == "classification" else (task.label_range or (0.0,))[0]
    labels = frame["label"].astype("object")
    labels[list(rows)] = good
    return frame.assign(label=labels)
