"""A local GLUE folder: parquet files named as on the hub, or the original download's TSV files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE, GlueTask
from alpkd_pipeline.tasks.sources.frames import split_frame, wanted_columns, without_broken_rows
from alpkd_pipeline.tasks.sources.label_columns import read_label_columns
from alpkd_pipeline.tasks.sources.raw import RawTable, read_lines, read_parquet, read_tsv
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd

MRPC_TRAIN = "msr_paraphrase_train.txt"
MRPC_TEST = "msr_paraphrase_test.txt"
MRPC_DEV_IDS = "dev_ids.tsv"
MRPC_IDS = ("#1 ID", "#2 ID")


@dataclass(frozen=True, slots=True)
class GlueFiles:
    """The files of one task.

    Attributes:
        layout: `parquet`, `tsv`, or `msr`: the original MRPC, whose dev rows are train rows listed
            in a file of their own.
        splits: our split -> its file.
        dev_ids: that list; None but for `msr`.
    """

    layout: Literal["parquet", "tsv", "msr"]
    splits: Mapping[str, Path]
    dev_ids: Path | None = None

    def all(self) -> dict[str, Path]:
        """Every file by its role."""
        extra = {} if self.dev_ids is None else {"dev_ids": self.dev_ids}
        return {**self.splits, **extra}


def find_files(spec: SourceSpec, task: Task, project: Path) -> GlueFiles:
    """Find a task's files, parquet before TSV.

    Raises:
        UserError: not a GLUE task, no such folder, or a file that is not there. Only test files may
            be missing.
    """
    glue = _glue_task(task)
    root = spec.folder(project)
    if spec.path is None or not root.is_dir():
        raise UserError(
            f"task.path: the folder {spec.path or '(not given)'} does not exist; name a folder"
            f" that holds {_expected(glue)}"
        )
    for folder in (root / task.name, root / "glue" / task.name):
        if (folder / "train.parquet").is_file():
            names = {split: f"{theirs}.parquet" for split, theirs in glue.hub_splits.items()}
            return GlueFiles("parquet", _existing(folder, names, task))
    for folder in (root / glue.folder, root / "glue_tsv" / glue.folder):
        if task.name == "mrpc" and (folder / MRPC_TRAIN).is_file():
            names = {"train": MRPC_TRAIN, "dev": MRPC_TRAIN, "test": MRPC_TEST}
            return GlueFiles("msr", _existing(folder, names, task), _dev_ids(folder))
        if (folder / glue.tsv["train"].name).is_file():
            names = {split: file.name for split, file in glue.tsv.items()}
            return GlueFiles("tsv", _existing(folder, names, task))
    raise UserError(f"task.path: {root} has no data of task '{task.name}': no {_expected(glue)}")


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Read every split of a GLUE task; see `sources.load_splits` for what a frame holds.

    In TSV files quotes are ordinary characters: every line is one row, and `idx` counts them from
    0, as the hub's data set does.

    Raises:
        UserError: a file or column is missing or unreadable.
    """
    glue = _glue_task(task)
    found = find_files(spec, task, project)
    frames = {}
    for split in found.splits:
        raw, columns = read_split(found, task, split)
        frame = split_frame(raw, task, split, columns)
        frames[split] = without_broken_rows(frame, task, split) if glue.broken_rows else frame
    if found.dev_ids:
        frames = _part_mrpc(frames, found.dev_ids)
    return read_label_columns(frames, task, minus_one_hides=True)


def read_split(found: GlueFiles, task: Task, split: str) -> tuple[RawTable, dict[str, str]]:
    """The cells of a split's file, and our column -> theirs.

    Raises:
        UserError: the file cannot be read.
    """
    path = found.splits[split]
    if found.layout == "parquet":
        columns = wanted_columns(task, {})
        return read_parquet(path, columns.values()), columns
    file = _glue_task(task).tsv[split]
    columns = {ours: str(theirs) for ours, theirs in file.columns.items()}
    return read_tsv(path, columns.values(), header=file.has_header, strict=False), columns


def _part_mrpc(frames: dict[str, pd.DataFrame], dev_ids: Path) -> dict[str, pd.DataFrame]:
    """Split the original MRPC's training file into train and dev by the list of dev pairs."""
    ids = {tuple(line.split("\t")[:2]) for line in read_lines(dev_ids)}
    raw = read_tsv(Path(frames["train"].attrs["file"]), MRPC_IDS, strict=False)
    for name in MRPC_IDS:
        if name not in raw.cells:
            raise UserError(f"{raw.place} has no column '{name}', which {dev_ids} refers to")
    in_dev = [pair in ids for pair in zip(*(raw.cells[name] for name in MRPC_IDS), strict=True)]
    kept = [not dev for dev in in_dev]
    return {**frames, "train": frames["train"][kept], "dev": frames["dev"][in_dev]}


def _glue_task(task: Task) -> GlueTask:
    if task.name not in GLUE:
        raise UserError(
            f"task.source 'folder' holds GLUE tasks ({', '.join(GLUE)}) and not '{task.name}';"
            " for files of your own use task.source: table"
        )
    return GLUE[task.name]


def _existing(folder: Path, names: Mapping[str, str], task: Task) -> dict[str, Path]:
    """The files that exist; only those of test splits may be missing."""
    for split, name in names.items():
        if split not in task.test_splits and not (folder / name).is_file():
            raise UserError(f"{folder / name} does not exist; it holds the split '{split}'")
    return {split: folder / name for split, name in names.items() if (folder / name).is_file()}


def _dev_ids(folder: Path) -> Path:
    if not (folder / MRPC_DEV_IDS).is_file():
        raise UserError(
            f"{folder / MRPC_DEV_IDS} does not exist; it lists the dev rows of {MRPC_TRAIN}"
        )
    return folder / MRPC_DEV_IDS


def _expected(glue: GlueTask) -> str:
    tsv = MRPC_TRAIN if glue.task.name == "mrpc" else glue.tsv["train"].name
    return f"{glue.task.name}/train.parquet or {glue.folder}/{tsv} (the original download)"
