"""What may go, and why: one list, in the order in which it is shown and removed."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.store import layout
from alpkd_pipeline.store.diff import block
from alpkd_pipeline.store.lineage import Index, Result, keys_in
from alpkd_pipeline.store.manifest import is_complete, lock_file
from alpkd_pipeline.store.run_folder import DamagedError, RunFolder, written_ns
from alpkd_pipeline.store.unfinished import at_work_on, is_held, is_training

SETTLED_SECONDS = 600.0
"""What has no manifest and was written to a shorter time ago may belong to a process whose lock
cannot be seen from here, such as one on another machine."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person wants removed beside what nothing needs."""

    signals: bool = False  # all signals; they can be recorded again from their teacher
    interrupted: bool = False  # interrupted trainings with their checkpoints
    trials: bool = False  # students of searches, and teachers that only they were made from
    reruns: bool = False  # the stores of reruns
    # scores, evaluations, latencies and geometries of models that are gone
    without_model: bool = False
    caches: bool = False  # remembered hashes


@dataclass(frozen=True)
class Kept:
    """What stays, and the models that do not."""

    trials: Sequence[Result]  # the models of searches that go
    there: Set[str]  # keys of all models in the store, also of those whose manifest is missing
    # keys of all that the models, interrupted trainings and conf/ build upon; None if nobody knows
    # that
    needed: Set[str] | None
    # folders of models, relative to the store, whose manifest is damaged or missing: what they were
    # made from, and what was measured of them, is not known
    doubtful: Sequence[str] = ()


def kept_models(index: Index, choice: Choice, asked: Set[str] | None) -> Kept:
    """Choose the models that stay. `asked` are the keys of the experiments that conf/ describes;
    None if that cannot be known: then rows, token ids, signals and models all stay."""
    models = [r for r in index.results if r.entry.kind.name in layout.MODELS]
    lost = [e for e in index.others if e.state == "unsealed" and e.kind.name in layout.MODELS]
    there = {model.key for model in models}.union(*map(_keys, lost))
    doubtful = [finding.folder for finding in index.unreadable if finding.kind in layout.MODELS]
    # Without a key in its name it is a folder of somebody's own.
    doubtful += [os.path.relpath(e.path, index.store) for e in lost if e.key8 is not None]
    if asked is None or doubtful:
        return Kept((), there, None, doubtful)
    trials = _trials(index, models, asked) if choice.trials else []
    # Needed too: what is not finished yet, unless it is to go.
    states = ("unsealed",) if choice.interrupted else ("unsealed", "work")
    needed = set(asked).union(*(_keys(entry) for entry in index.others if entry.state in states))
    for model in models:
        if model not in trials:
            needed |= {model.key, *model.made_from.values(), *keys_in(model.run).values()}
    return Kept(trials, there, _closed(needed, index.results))


def _keys(entry: layout.Entry) -> set[str]:
    """The keys in the run.json of what has no manifest."""
    return set(map(str, keys_in(RunFolder(entry.path).unchecked_run).values()))


def _closed(keys: Set[str], results: Iterable[Result]) -> frozenset[str]:
    """With the keys of everything above."""
    above = {result.key: set(result.made_from.values()) for result in results}
    found, new = set(keys), set(keys)
    while new:
        new = {key for known in new for key in above.get(known, ())} - found
        found |= new
    return frozenset(found)


def _trials(index: Index, models: list[Result], asked: Set[str]) -> list[Result]:
    """Students of searches that nobody asked for as experiments, and teachers of nothing else.
    Searches do not score their students on dev: one that has scores was asked for by name."""
    scored = {k for r in index.results if r.stage.endswith("_scores") for k in r.made_from.values()}
    wanted = asked | scored | layout.experiment_keys(layout.sweep_records(index.store))
    trials = [m for m in models if block(m.run, "identity").get("generation") == "trial"]
    ours = [model for model in trials if model.key not in wanted]
    students = [model for model in ours if model.stage == "student"]
    needed = {m.made_from.get("teacher") for m in models if m not in students}
    return students + [m for m in ours if m.stage == "teacher" and m.key not in needed]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that may go."""

    kind: str  # what it is
    path: Path  # where it lies
    lock: Path | None  # the lock of whoever is at work on it; None if it has none
    why: str  # in words
    bytes: int  # of its files
    # whether it is whole: such a one stays while any process is at work in the store, since nobody
    # holds a lock on what he reads
    is_result: bool


def candidates(index: Index, kept: Kept, choice: Choice) -> list[Candidate]:
    """Everything that may go, without what lies inside something else that goes."""
    found = [*_left_overs(index, choice), *_data(index, kept, choice)]
    found += [_whole(trial, "a search trained it") for trial in kept.trials]
    found += _measured(index, kept, choice)
    found += [_whole(old, "a newer one has all of its students") for old in _outdated(index)]
    found += _places(index.store, choice)
    paths = {candidate.path for candidate in found}
    return [candidate for candidate in found if not paths & set(candidate.path.parents)]


def _left_overs(index: Index, choice: Choice) -> Iterator[Candidate]:
    for entry in index.others:
        why = _why_left(entry, choice)
        if why and is_settled(entry.path) and not at_work_on(entry):
            size = size_of(entry.path)
            yield Candidate(entry.kind.name, entry.path, entry.lock, why, size, False)


def _why_left(entry: layout.Entry, choice: Choice) -> str:
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


def _data(index: Index, kept: Kept, choice: Choice) -> Iterator[Candidate]:
    if kept.needed is None:
        return  # all of it may be needed
    for result in index.results:
        kind = result.entry.kind.name
        if kind in layout.DATA and result.key not in kept.needed:
            yield _whole(result, "no kept model was made from it, conf/ does not use it")
        elif kind == "signals" and choice.signals:
            yield _whole(result, "can be recorded again from its teacher")


def _measured(index: Index, kept: Kept, choice: Choice) -> Iterator[Candidate]:
    gone = {trial.key for trial in kept.trials}
    for result in index.results:
        of = result.made_from.get(result.stage.partition("_")[0])
        if result.entry.kind.name not in layout.MEASURED:
            continue
        if of in gone:
            yield _whole(result, "was measured of a model that goes too")
        elif choice.without_model and not kept.doubtful and of not in kept.there:
            yield _whole(result, "its model is not in the store")


def _outdated(index: Index) -> Iterator[Result]:
    """Older comparisons with the parameters of the newest one, and without students of their own:
    one that holds the only row of a student that was deleted since stays."""
    alike: dict[str, list[Result]] = defaultdict(list)
    for result in index.results:
        if result.entry.kind.name == layout.COMPARISON and result.run:
            alike[json.dumps(result.run.get("params"), sort_keys=True)].append(result)
    for same in alike.values():
        newest, *older = sorted(same, key=lambda one: written_ns(one.entry.path), reverse=True)
        has = _students(newest) or set()
        for old in older:
            had = _students(old)
            if had is not None and had <= has:
                yield old


def _students(result: Result) -> set[str] | None:
    """The paths of the students in its table; None if it cannot be read."""
    try:
        rows = RunFolder(result.entry.path).json("comparison.json")["students"]
        return {str(row["path"]) for row in rows}
    except (DamagedError, OSError, ValueError, KeyError, TypeError):
        return None


def _places(store: Path, choice: Choice) -> Iterator[Candidate]:
    """Whole folders that were named."""
    for path in layout.reruns(store) if choice.reruns else []:
        lock = lock_file(path)
        if not is_held(lock):
            yield Candidate("rerun", path, lock, "the store of a rerun", size_of(path), True)
    cache = store / layout.CACHE
    if choice.caches and cache.is_dir():
        yield Candidate("cache", cache, None, "is filled again", size_of(cache), False)


def _whole(result: Result, why: str) -> Candidate:
    path, lock = result.entry.path, result.entry.lock
    return Candidate(result.entry.kind.name, path, lock, why, size_of(path), True)


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; links to one file count once."""
    sizes: dict[tuple[int, int], int] = {}
    for file in (path, *layout.inside(path)):
        try:
            found = os.lstat(file)
        except OSError:
            continue
        if not file.is_dir():
            sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def is_settled(path: Path) -> bool:
    """Whether nothing was written here for a while."""
    try:
        times = [os.lstat(file).st_mtime for file in (path, *layout.inside(path))]
    except OSError:
        return False
    return time.time() - max(times) > SETTLED_SECONDS
