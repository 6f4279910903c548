"""What may go, and why: one list, in the order in which it is shown and removed."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.store.finished import DamagedError, FinishedFolder, written_ns
from alpkd_pipeline.store.layout import (
    COMPARISON,
    DATA,
    MEASURED,
    Entry,
    inside,
    reruns,
)
from alpkd_pipeline.store.lineage import Index, Result
from alpkd_pipeline.store.manifest import is_complete, lock_file
from alpkd_pipeline.store.prune_kept import Choice, Kept
from alpkd_pipeline.store.unfinished import at_work_on, is_held, is_training


def outdated(index: Index) -> Iterator[Result]:
    """Older comparisons with the parameters of the newest one, and without students of their own.

    An older one may hold the only row of a student that was deleted since: then it stays.

    Args:
        index: what the store holds.
    """
    alike: dict[str, list[Result]] = defaultdict(list)
    for result in index.results:
        if result.entry.kind.name == COMPARISON and result.run:
            alike[json.dumps(result.run.get("params"), sort_keys=True)].append(result)
    for same in alike.values():
        newest, *older = sorted(same, key=_written, reverse=True)
        has = _students(newest) or set()
        for old in older:
            had = _students(old)
            if had is not None and had <= has:
                yield old


def _written(result: Result) -> int:
    return written_ns(result.entry.path)


def _students(result: Result) -> set[str] | None:
    """The paths of the students in its table; None if it cannot be read."""
    try:
        rows = FinishedFolder(result.entry.path).json("comparison.json")["students"]
        return {str(row["path"]) for row in rows}
    except (DamagedError, OSError, ValueError, KeyError, TypeError):
        return None


SETTLED_SECONDS = 600.0
"""What has no manifest and was written to a shorter time ago may belong to a process whose lock
cannot be seen from here, such as one on another machine."""

CACHE = ".cache"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may go.

    Attributes:
        kind: what it is.
        path: where it lies.
        lock: the lock of whoever is at work on it; None if it has none.
        why: in words.
        bytes: of its files.
        is_result: whether it is whole: such a one stays while any process is at work in the store,
            since nobody holds a lock on what he reads.
    """

    kind: str
    path: Path
    lock: Path | None
    why: str
    bytes: int
    is_result: bool


def candidates(index: Index, kept: Kept, choice: Choice) -> list[Candidate]:
    """Everything that may go.

    Args:
        index: what the store holds.
        kept: what stays.
        choice: what is wanted removed.
    """
    found = [*_left_overs(index, choice), *_data(index, kept, choice)]
    found += [_whole(trial, "a search trained it") for trial in kept.trials]
    found += _measured(index, kept, choice)
    found += [_whole(old, "a newer one has all of its students") for old in outdated(index)]
    found += _places(index.store, choice)
    return _outermost(found)


def _outermost(found: Sequence[Candidate]) -> list[Candidate]:
    """Without what lies inside something else that goes."""
    paths = {candidate.path for candidate in found}
    return [candidate for candidate in found if not paths & set(candidate.path.parents)]


def _data(index: Index, kept: Kept, choice: Choice) -> Iterator[Candidate]:
    if kept.needed is None:
        return  # all of it may be needed
    for result in index.results:
        kind = result.entry.kind.name
        if kind not in DATA:
            continue
        if result.key not in kept.needed:
            yield _whole(result, "no kept model was made from it, conf/ does not use it")
        elif kind == "signals" and choice.signals:
            yield _whole(result, "can be recorded again from its teacher")


def _measured(index: Index, kept: Kept, choice: Choice) -> Iterator[Candidate]:
    gone = {trial.key for trial in kept.trials}
    for result in index.results:
        of = result.made_from.get(result.stage.partition("_")[0])
        if result.entry.kind.name not in MEASURED:
            continue
        if of in gone:
            yield _whole(result, "was measured of a model that goes too")
        elif choice.without_model and not kept.doubtful and of not in kept.there:
            yield _whole(result, "its model is not in the store")


def _left_overs(index: Index, choice: Choice) -> Iterator[Candidate]:
    for entry in index.others:
        why = _why_left(entry, choice)
        if why and is_settled(entry.path) and not at_work_on(entry):
            size = size_of(entry.path)
            yield Candidate(entry.kind.name, entry.path, entry.lock, why, size, False)


def _why_left(entry: Entry, choice: Choice) -> str:
    """Why an entry may go; empty if it may not."""
    if entry.state == "left over":
        return "a killed process left it half done"
    if entry.state == "aside" and is_complete(entry.final):
        return "a newer result replaced it"
    if entry.state == "work" and not is_training(entry.path):
        return "was interrupted, begins again anyway"
    if entry.state == "work" and choice.interrupted:
        return "an interrupted training"
    return ""


def _places(store: Path, choice: Choice) -> Iterator[Candidate]:
    """Whole folders that were named."""
    for path in reruns(store) if choice.reruns else []:
        lock = lock_file(path)
        if not is_held(lock):
            yield Candidate("rerun", path, lock, "the store of a rerun", size_of(path), True)
    cache = store / CACHE
    if choice.caches and cache.is_dir():
        yield Candidate("cache", cache, None, "is filled again", size_of(cache), False)


def _whole(result: Result, why: str) -> Candidate:
    path, lock = result.entry.path, result.entry.lock
    return Candidate(result.entry.kind.name, path, lock, why, size_of(path), True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links to one file count once."""
    sizes: dict[tuple[int, int], int] = {}
    for file in (path, *inside(path)):
        try:
            found = os.lstat(file)
        except OSError:
            continue
        if not file.is_dir():
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def is_settled(path: Path) -> bool:
    """Whether nothing was written here for a while."""
    times = []
    for file in (path, *inside(path)):
        try:
            times.append(os.lstat(file).st_mtime)
        except OSError:
            return False
    return time.time() - max(times) > SETTLED_SECONDS
