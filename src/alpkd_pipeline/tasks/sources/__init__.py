"""Where raw splits come from: the demo, the hub, a local GLUE folder, or files of one's own.

The last steps of every source are here: fewer train rows, a dev split if there is none.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.fingerprint import sha256_cached
from alpkd_pipeline.tasks.sources import demo, folder, hub, table
from alpkd_pipeline.tasks.task import SourceSpec, Task
from alpkd_pipeline.tasks.validate import text_keys

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def load_splits(spec: SourceSpec, task: Task, project: Path = Path(".")) -> dict[str, pd.DataFrame]:
    """Read the raw splits of a task; relative paths start at the project.

    Returns:
        `train`, the task's first dev split, and what other dev and test splits there are. Each
        frame holds the text columns (str), `label` (int64 class id, -1 when hidden; float64 for a
        regression) and `idx` (int64), in the order of the file. Faulty cells stay as they were
        found: pass the frames to `validate.check_splits` before anything else.

    Raises:
        UserError: the source is not there or does not fit the task. Where its files are to blame,
            every fault of every file is named.
    """
    loaders = {"hub": hub.load, "folder": folder.load, "table": table.load}
    frames = demo.load() if spec.kind == "demo" else loaders[spec.kind](spec, task, project)
    return finish(frames, spec, task)


def source_digest(
    spec: SourceSpec, task: Task, project: Path = Path("."), cache_file: Path | None = None
) -> dict[str, Any]:
    """The identity of the raw data, cheap and without reading it into memory.

    Which columns are read is part of it; which rows are kept (train_rows, dev_fraction, seed) is
    not. `cache_file` remembers hashes of files, see `store.digest_cache`.

    Returns:
        JSON-ready: sha256 of each file, or commit of the hub data set, or hash of the demo; and
        the column names where they are mapped.

    Raises:
        UserError: a file is missing, or the revision is no commit.
    """
    if spec.kind == "demo":
        return {"kind": "demo", "sha256": demo.digest()}
    if spec.kind == "hub":
        return {"kind": "hub", "columns": dict(spec.columns), **asdict(hub.resolve(spec, task))}
    files = (folder if spec.kind == "folder" else table).find_files(spec, task, project)
    return {
        "kind": spec.kind,
        "columns": dict(spec.columns),
        "files": {
            role: {"name": path.name, "sha256": sha256_cached(path, cache_file)}
            for role, path in files.items()
        },
    }


def finish(
    frames: dict[str, pd.DataFrame], spec: SourceSpec, task: Task
) -> dict[str, pd.DataFrame]:
    """Keep train_rows rows of train, then cut a missing dev split from them; in a fixed order.

    Raises:
        UserError: the rows that are kept lack a class, or are too few for a dev split.
    """
    frames = dict(frames)
    if spec.train_rows is not None:
        frames["train"] = _kept(frames["train"], spec, spec.train_rows, task)
    if (dev := task.dev_splits[0]) not in frames:
        train = frames["train"]
        frames["train"], frames[dev] = cut_dev(train, task, spec.dev_fraction, spec.seed)
        log.warning(
            "%s has no %s split: %d of %d train rows become %s (seed %d)",
            *(task.name, dev, len(frames[dev]), len(train), dev, spec.seed),
        )
    order = ("train", *task.dev_splits, *task.test_splits)
    return {split: frames[split] for split in order if split in frames}


def _kept(train: pd.DataFrame, spec: SourceSpec, rows: int, task: Task) -> pd.DataFrame:
    if rows > len(train):
        said = "%s has %d train rows, fewer than train_rows %d"
        log.warning(said, task.name, len(train), rows)
    if rows >= len(train):
        return train
    if spec.train_rows_by == "stratified":
        return draw_rows(train, task, rows, spec.seed)
    kept = train.head(rows)
    classes = range(len(task.label_names))  # a regression has none
    lost = (set(classes) & set(train["label"])) - set(kept["label"])
    if lost:
        names = ", ".join(task.label_names[at] for at in sorted(lost))
        raise UserError(
            f"task.train_rows: the first {rows:,} of {len(train):,} train rows of task"
            f" '{task.name}' have none of the class {names}, as in a sorted file; set"
            " task.train_rows_by=stratified, which draws rows of every class"
        )
    return kept


def cut_dev(
    train: pd.DataFrame, task: Task, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Move a share of train to dev: what remains of train, and dev, in the order of the file.

    A row's place in the draw is a hash of the seed and its number, so the choice is the same on
    every machine and with every library version. The share is taken of each class: at least one of
    two or more rows, and never all. Rows of the same text move together, so that dev shares none
    with train; dev then grows a little beyond the share.
    """
    chosen: set[int] = set()
    for members in _drawn_groups(train, task, str(seed)):
        count = max(round(len(members) * fraction), 1) if len(members) > 1 else 0
        chosen.update(members[: min(count, len(members) - 1)])
    if not chosen:
        raise UserError(
            f"task '{task.name}' has no dev split and {len(train)} train rows are too few to cut"
            " one; give a dev split"
        )
    texts = text_keys(train, task)
    moved = {texts[number] for number in chosen}
    in_dev = [text in moved for text in texts]
    if all(in_dev):
        raise UserError(
            f"task '{task.name}' has no dev split, and none can be cut from its {len(train)} train"
            " rows: rows of the same text stay together, and these are one text or nearly so; give"
            " a dev split"
        )
    return train[[not dev for dev in in_dev]], train[in_dev]


def draw_rows(train: pd.DataFrame, task: Task, rows: int, seed: int) -> pd.DataFrame:
    """Keep some of the N rows of train, fewer than N, drawn as those of dev are.

    They keep the order of the file. Each class keeps its share, rounded, and at least one row.
    """
    groups = _drawn_groups(train, task, f"rows:{seed}")
    if rows < len(groups):
        raise UserError(
            f"task.train_rows: {rows} rows cannot hold one of each of the {len(groups)} classes of"
            f" task '{task.name}'; give at least {len(groups)}"
        )
    shares = [rows * len(members) / len(train) for members in groups]
    counts = [max(int(share), 1) for share in shares]
    places = range(len(groups))
    while sum(counts) < rows:
        counts[max(places, key=lambda at: shares[at] - counts[at])] += 1
    while sum(counts) > rows:
        counts[max(places, key=lambda at: (counts[at] > 1, counts[at] - shares[at]))] -= 1
    kept = {number for members, n in zip(groups, counts, strict=True) for number in members[:n]}
    return train[[number in kept for number in range(len(train))]]


def _drawn_groups(train: pd.DataFrame, task: Task, salt: str) -> list[list[int]]:
    """The rows of each class (of a regression all rows) by their place in the draw."""
    groups: dict[str, list[int]] = {}
    labels = train["label"] if task.kind == "classification" else [""] * len(train)
    for number, label in enumerate(labels):
        groups.setdefault(str(label), []).append(number)

    def draw(number: int) -> bytes:
        return hashlib.sha256(f"{salt}:{number}".encode()).digest()

    return [sorted(members, key=draw) for members in groups.values()]
