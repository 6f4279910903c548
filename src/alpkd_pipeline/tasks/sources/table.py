"""A user's own files: CSV, TSV, JSON lines or parquet, one per split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.sources.files import read_files
from alpkd_pipeline.tasks.sources.frames import SplitFile, wanted_columns
from alpkd_pipeline.tasks.sources.raw import is_there, read_table
from alpkd_pipeline.tasks.task import GROUP, UNLABELLED, SourceSpec, Task
from alpkd_pipeline.tasks.teacher_table import teacher_names

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

    Quotes are special in .csv only.
    """
    paths = find_files(spec, task, project)
    known, more = ("train", UNLABELLED, *task.dev_splits), {}
    if spec.group_column:
        more[GROUP] = spec.group_column
    if spec.teacher_columns:
        ours = teacher_names(task, spec.teacher_values)
        more |= {ours[name]: spec.teacher_columns[name] for name in ours}
    columns = wanted_columns(task, spec.columns)
    files = {
        split: SplitFile(path, columns | (more if split in known else {}), read_table)
        for split, path in paths.items()
    }
    return read_files(files, task, minus_one_hides=False)
