"""A local GLUE folder: parquet files named as on the hub, or the original download's TSV files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources.frames import SplitFile, wanted_columns, without_broken_rows
from alpkd_pipeline.tasks.sources.raw import read_lines, read_parquet, read_tsv
from alpkd_pipeline.tasks.sources.table import read_files
from alpkd_pipeline.tasks.task import SourceSpec, Task

if TYPE_CHECKING:
    import pandas as pd

MRPC_TRAIN = "msr_paraphrase_train.txt"
MRPC = {"train": MRPC_TRAIN, "dev": MRPC_TRAIN, "test": "msr_paraphrase_test.txt"}
MRPC_DEV_IDS = "dev_ids.tsv"
MRPC_IDS = ("#1 ID", "#2 ID")
DEV_IDS = "dev_ids"  # the role of the file that lists which rows of MRPC_TRAIN are dev rows


def find_files(spec: SourceSpec, task: Task, project: Path) -> dict[str, Path]:
    """Find a task's files by their roles, parquet before TSV: the splits, and `DEV_IDS` of MRPC.
    UserError if it is no GLUE task, or the folder or a file other than of a test is missing."""
    if task.name not in GLUE:
        raise UserError(
            f"task.source 'folder' holds GLUE tasks ({', '.join(GLUE)}) and not '{task.name}';"
            " for files of your own use task.source: table"
        )
    glue, root = GLUE[task.name], spec.folder(project)
    tsv = {split: file.name for split, file in glue.tsv.items()}
    expected = (
        f"{task.name}/train.parquet or {glue.folder}/"
        f"{MRPC_TRAIN if task.name == 'mrpc' else tsv['train']} (the original download)"
    )
    if spec.path is None or not root.is_dir():
        raise UserError(
            f"task.path: the folder {spec.path or '(not given)'} does not exist; name a folder"
            f" that holds {expected}"
        )
    parquet = {split: f"{theirs}.parquet" for split, theirs in glue.hub_splits.items()}
    layouts = [(folder, parquet) for folder in (root / task.name, root / "glue" / task.name)]
    for folder in (root / glue.folder, root / "glue_tsv" / glue.folder):
        layouts += [(folder, MRPC)] if task.name == "mrpc" else []
        layouts.append((folder, tsv))
    for folder, names in layouts:
        if not (folder / names["train"]).is_file():
            continue
        paths = {split: folder / name for split, name in names.items()}
        for split, path in paths.items():
            if split not in task.test_splits and not path.is_file():
                raise UserError(f"{path} does not exist; it holds the split '{split}'")
        dev_ids = folder / MRPC_DEV_IDS
        if names is MRPC and not dev_ids.is_file():
            raise UserError(f"{dev_ids} does not exist; it lists the dev rows of {MRPC_TRAIN}")
        more = {DEV_IDS: dev_ids} if names is MRPC else {}
        return {split: path for split, path in paths.items() if path.is_file()} | more
    raise UserError(f"task.path: {root} has no data of task '{task.name}': no {expected}")


def load(spec: SourceSpec, task: Task, project: Path) -> dict[str, pd.DataFrame]:
    """Read every split of a GLUE task; in TSV files quotes are ordinary characters, and `idx`
    counts the rows from 0, as the hub's data set does."""
    paths = find_files(spec, task, project)
    dev_ids = paths.pop(DEV_IDS, None)
    files = {}
    for split, path in paths.items():
        if path.suffix == ".parquet":
            files[split] = SplitFile(path, wanted_columns(task, {}), read_parquet)
        else:
            columns = GLUE[task.name].tsv[split].columns
            reader = partial(read_tsv, header=int not in map(type, columns.values()), strict=False)
            names = {ours: str(theirs) for ours, theirs in columns.items()}
            files[split] = SplitFile(path, names, reader)

    def arrange(frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        if GLUE[task.name].broken_rows:
            return {split: without_broken_rows(f, task, split) for split, f in frames.items()}
        return _part_mrpc(frames, paths["train"], dev_ids) if dev_ids else frames

    return read_files(files, task, minus_one_hides=True, arrange=arrange)


def _part_mrpc(
    frames: dict[str, pd.DataFrame], train: Path, dev_ids: Path
) -> dict[str, pd.DataFrame]:
    """Split the original MRPC's training file into train and dev by the list of dev pairs."""
    ids = {tuple(line.split("\t")[:2]) for line in read_lines(dev_ids)}
    raw = read_tsv(train, MRPC_IDS, strict=False)
    for name in MRPC_IDS:
        if name not in raw.cells:
            raise UserError(f"{raw.file} has no column '{name}', which {dev_ids} refers to")
    in_dev = [pair in ids for pair in zip(*(raw.cells[name] for name in MRPC_IDS), strict=True)]
    rest = frames["train"].loc[[not dev for dev in in_dev]]
    return {**frames, "train": rest, "dev": frames["dev"].loc[in_dev]}
