"""Where raw splits come from; and their last steps: fewer train rows, a dev split if need be."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.store.fingerprint import sha256_cached
from alpkd_pipeline.tasks.labels import is_hidden
from alpkd_pipeline.tasks.sources import demo, folder, hub, table
from alpkd_pipeline.tasks.task import GROUP, UNLABELLED, SourceSpec, Task
from alpkd_pipeline.tasks.validate import text_keys

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)


def load_splits(spec: SourceSpec, task: Task, project: Path = Path(".")) -> dict[str, pd.DataFrame]:
    """Read the raw splits of a task; relative paths start at the project.

    They are `train`, the task's first dev split, and what other dev and test splits there are. Each
    frame holds the text columns (str), `label` (int64 class id, -1 when hidden; float64 for a
    regression), `idx` (int64), and `GROUP` if there are groups, in the order of the file. Train
    rows without a label are in `unlabelled`. Faulty cells stay as they were found: pass the frames
    to `validate.check_splits` before anything else.

    Raises:
        UserError: the source is not there or does not fit the task. Where its files are to blame,
            every fault of every file is named.
    """
    if spec.kind == "demo":
        return finish(demo.load(spec.unlabelled), spec, task)
    loaders = {"hub": hub.load, "folder": folder.load, "table": table.load}
    return finish(loaders[spec.kind](spec, _as_read(task, spec), project), spec, task)


def _as_read(task: Task, spec: SourceSpec) -> Task:
    """The task with all splits whose labels may be missing, those of train rows among them."""
    more = (UNLABELLED, "train") if spec.unlabelled else (UNLABELLED,)
    return replace(task, test_splits=(*task.test_splits, *more))


def source_digest(
    spec: SourceSpec, task: Task, project: Path = Path("."), cache_file: Path | None = None
) -> dict[str, Any]:
    """The identity of the raw data, cheap and without reading it into memory.

    JSON-ready: sha256 of each file, or commit of the hub data set, or hash of the demo; and the
    column names where they are mapped. Which columns are read is part of it; which rows are kept
    (train_rows, dev_fraction, seed) is not. `cache_file` remembers hashes of files. UserError if a
    file is missing, or the revision is no commit.
    """
    if spec.kind == "demo":
        return {"kind": "demo", "sha256": demo.digest(spec.unlabelled)}
    if spec.kind == "hub":
        return {"kind": "hub", "columns": dict(spec.columns), **asdict(hub.resolve(spec, task))}
    source = folder if spec.kind == "folder" else table
    files = source.find_files(spec, _as_read(task, spec), project)
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
    """Keep train_rows labelled rows, then cut a missing dev split from them; in a fixed order.
    UserError if the rows that are kept lack a class, are too few for a dev split, or none has a
    label."""
    frames = _split_unlabelled(frames, spec, task)
    if spec.train_rows is not None:
        frames["train"] = _limited(frames["train"], spec, spec.train_rows, task)
    if (dev := task.dev_splits[0]) not in frames:
        train = frames["train"]
        frames["train"], frames[dev] = cut_dev(train, task, spec.dev_fraction, spec.seed)
        log.warning(
            "%s has no %s split: %d of %d train rows become %s (seed %d)",
            *(task.name, dev, len(frames[dev]), len(train), dev, spec.seed),
        )
        if (more := frames.pop(UNLABELLED, None)) is not None:
            more = _without(more, frames[dev], task)
            frames |= {UNLABELLED: more} if len(more) else {}
    order = ("train", UNLABELLED, *task.dev_splits, *task.test_splits)
    return {split: frames[split] for split in order if split in frames}


def _split_unlabelled(
    frames: Mapping[str, pd.DataFrame], spec: SourceSpec, task: Task
) -> dict[str, pd.DataFrame]:
    """Take the rows without a label out of train, in front of those that are a split already."""
    import pandas as pd

    frames, limit = dict(frames), spec.unlabelled_rows
    train, own = frames["train"], frames.pop(UNLABELLED, None)
    parts = [] if own is None else [own]
    if spec.unlabelled:
        gone = train["label"].isna() | is_hidden(train["label"], task)
        if len(train) and gone.all():
            raise UserError(
                f"task '{task.name}': no train row has a label; students and their teacher need"
                " some of every class beside the rows without"
            )
        if gone.any():
            frames["train"], parts = train[~gone], [train[gone], *parts]
    if parts and limit != 0:
        joined = parts[0]
        if len(parts) > 1:  # each has its own numbers; they get new ones where they join train
            joined = pd.concat(parts).assign(idx=range(sum(map(len, parts))))
        joined.attrs["file"] = " and ".join(str(p.attrs["file"]) for p in parts if p.attrs)
        frames[UNLABELLED] = joined if limit is None else joined.head(limit)
        rows = plural(len(frames[UNLABELLED]), "train row")
        log.info("%s: %s without a label", task.name, rows)
    return frames


def _without(more: pd.DataFrame, dev: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The rows without a label that share neither a text nor a group with a dev split."""
    texts, groups = {*text_keys(dev, task)}, {*dev.get(GROUP, ())}
    rows = zip(text_keys(more, task), more.get(GROUP, [""] * len(more)), strict=True)
    kept = [text not in texts and group not in groups for text, group in rows]
    if lost := len(kept) - sum(kept):
        log.warning(
            "%s: %s without a label left out, which would share a text or a group with dev",
            *(task.name, plural(lost, "row")),
        )
    return more[kept]


def _limited(train: pd.DataFrame, spec: SourceSpec, rows: int, task: Task) -> pd.DataFrame:
    if rows > len(train):
        log.warning("%s has %d train rows, fewer than train_rows %d", task.name, len(train), rows)
    if rows >= len(train):
        return train
    if spec.train_rows_by == "stratified":
        return draw_rows(train, task, rows, spec.seed)
    kept = train.head(rows)
    classes = set(range(len(task.label_names)))  # a regression has none
    lost = (classes & set(train["label"])) - set(kept["label"])
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
    with train; dev then grows a little beyond the share. Of rows with groups, whole groups move.
    """
    if GROUP in train:
        return _cut_groups(train, task, fraction, seed)
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


def _cut_groups(
    train: pd.DataFrame, task: Task, fraction: float, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Groups, those that share a text together, move in a drawn order while dev stays within the
    share and train keeps every class."""
    first: dict[object, int] = {}  # of a text or a group, a row that has it
    root = list(range(len(train)))

    def find(row: int) -> int:
        while root[row] != row:
            row = root[row]
        return row

    for row, names in enumerate(zip(text_keys(train, task), train[GROUP], strict=True)):
        for name in names:
            root[find(row)] = find(first.setdefault(name, row))
    members: dict[int, list[int]] = {}
    for row in range(len(train)):
        members.setdefault(find(row), []).append(row)
    classes = [str(label) if task.kind == "classification" else "" for label in train["label"]]
    left, dev, most = Counter(classes), set[int](), fraction * len(train)
    for number in sorted(members, key=lambda row: _draw(str(seed), row)):
        rows = members[number]
        counts = Counter(classes[row] for row in rows)
        if len(dev) + len(rows) <= max(most, 1) and all(left[c] > n for c, n in counts.items()):
            dev.update(rows)
            left -= counts
    if not dev:
        raise UserError(
            f"task '{task.name}' has no dev split, and none of the {plural(len(members), 'group')}"
            f" of {GROUP} fits into the {fraction:.0%} of its train rows that become one, with"
            " every class left in train; raise task.dev_fraction, or give a dev split"
        )
    in_dev = [row in dev for row in range(len(train))]
    return train[[not moved for moved in in_dev]], train[in_dev]


def draw_rows(train: pd.DataFrame, task: Task, rows: int, seed: int) -> pd.DataFrame:
    """Keep some of the N rows of train, fewer than N, in their order, drawn as those of dev are.
    Each class keeps its share, rounded, and at least one row."""
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
    return [sorted(rows, key=lambda row: _draw(salt, row)) for rows in groups.values()]


def _draw(salt: str, number: int) -> bytes:
    return hashlib.sha256(f"{salt}:{number}".encode()).digest()
