"""A user's own files: CSV, TSV, JSON lines or parquet, one per split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.frames import split_frame, wanted_columns
from alpkd_pipeline.tasks.sources.label_columns import read_label_columns
from alpkd_pipeline.tasks.sources.raw import RawTable, is_there, read_table
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd


def find_files(spec: SourceSpec, task: Task, project: Path) -> dict[str, Path]:
    """The file of each split.

    Raises:
        UserError: no train file, a split that the task does not have, or a file that is not there.
    """
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


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Read every split's file; see `sources.load_splits` for what a frame holds.

    Quotes are special in .csv only. Labels are class names, class ids, or numbers for a
    regression.

    Raises:
        UserError: a file or column is missing, a line is no table row, or the labels of all splits
            have no single reading.
    """
    frames = {}
    for split, path in find_files(spec, task, project).items():
        raw, columns = read_split(spec, task, path)
        frames[split] = split_frame(raw, task, split, columns)
    return read_label_columns(frames, task, minus_one_hides=False)


def read_split(spec: SourceSpec, task: Task, path: Path) -> tuple[RawTable, dict[str, str]]:
    """The cells of a split's file, and our column -> theirs.

    Raises:
        UserError: the file cannot be read, or a line is no table row.
    """
    columns = wanted_columns(task, spec.columns)
    return read_table(path, columns.values()), columns
