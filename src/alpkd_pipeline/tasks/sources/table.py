"""A user's own files: CSV, TSV, JSON lines or parquet, one per split."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.frames import (
    SplitFile,
    read_label_columns,
    split_frame,
    wanted_columns,
)
from alpkd_pipeline.tasks.sources.raw import is_there, read_table
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd


def find_files(spec: SourceSpec, task: Task, project: Path) -> dict[str, Path]:
    """The file of each split."""
    allowed = ("train", *task.dev_splits, *task.test_splits)
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


def split_files(spec: SourceSpec, task: Task, project: Path) -> dict[str, SplitFile]:
    """The files of the splits; quotes are special in .csv only."""
    files = find_files(spec, task, project)
    columns = wanted_columns(task, spec.columns)
    return {
        split: SplitFile(path, columns, partial(read_table, path, columns.values()))
        for split, path in files.items()
    }


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Read every split's file; see `sources.load_splits` for what a frame holds.

    Labels are class names, class ids, or numbers for a regression.
    """
    frames = {
        split: split_frame(file.read(), task, split, file.columns)
        for split, file in split_files(spec, task, project).items()
    }
    return read_label_columns(frames, task, minus_one_hides=False)
