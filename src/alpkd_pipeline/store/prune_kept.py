"""Which results stay, and the keys that they were made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Set
from dataclasses import dataclass

from alpkd_pipeline.store.layout import MODELS, Entry
from alpkd_pipeline.store.lineage import Index, Result
from alpkd_pipeline.store.records import cell_keys, sweep_records
from alpkd_pipeline.store.unfinished import run_of

TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person wants removed beside what nothing needs.

    Attributes:
        signals: all signals; they can be recorded again from their teacher.
        interrupted: interrupted trainings with their checkpoints.
        trials: students of searches, and teachers that only they were made from.
        reruns: the stores of reruns.
        without_model: scores, evaluations, latencies and geometries of models that are gone.
        caches: remembered hashes.
    """

    signals: bool = False
    interrupted: bool = False
    trials: bool = False
    reruns: bool = False
    without_model: bool = False
    caches: bool = False


@dataclass(frozen=True)
class Kept:
    """What stays, and the models that do not.

    Attributes:
        trials: the models of searches that go.
        there: keys of all models in the store, also of those whose manifest is missing.
        needed: keys of all that the models, interrupted trainings and conf/ build upon; None if
            nobody knows that.
        doubtful: folders of models, relative to the store, whose manifest is damaged or missing:
            what they were made from, and what was measured of them, is not known.
    """

    trials: tuple[Result, ...]
    there: Set[str]
    needed: Set[str] | None
    doubtful: tuple[str, ...] = ()


def kept_models(index: Index, choice: Choice, asked: Set[str] | None) -> Kept:
    """Choose the models that stay.

    Args:
        index: what the store holds.
        choice: what is wanted removed.
        asked: the keys of the cells that conf/ describes; None if that cannot be known: then
            rows, token ids, signals and models all stay.
    """
    models = [r for r in index.results if r.entry.kind.name in MODELS]
    lost = [e for e in index.others if e.state == "unsealed" and e.kind.name in MODELS]
    there = {model.key for model in models}
    there |= {key for entry in lost for key in _keys(run_of(entry.path))}
    doubtful = _doubtful(index, lost)
    if asked is None or doubtful:
        return Kept((), there, None, doubtful)
    trials = _trials(index, models, asked) if choice.trials else []
    stay = [model for model in models if model not in trials]
    needed = _needed(index, stay, choice) | asked
    return Kept(tuple(trials), there, _closed(needed, index.results))


def _needed(index: Index, stay: Iterable[Result], choice: Choice) -> set[str]:
    """The keys of models and of what they were made from, as far as they name it themselves."""
    # Needed too: what is not finished yet, unless it is to go.
    states = ("unsealed",) if choice.interrupted else ("unsealed", "work")
    runs = [model.run for model in stay]
    runs += [run_of(entry.path) for entry in index.others if entry.state in states]
    needed = {key for run in runs for key in _keys(run)}
    return needed | {key for model in stay for key in (model.key, *model.made_from.values())}


def _doubtful(index: Index, lost: Iterable[Entry]) -> tuple[str, ...]:
    found = [finding.folder for finding in index.unreadable if finding.kind in MODELS]
    # Without a key in its name it is a folder of somebody's own.
    found += [os.path.relpath(e.path, index.store) for e in lost if e.key8 is not None]
    return tuple(found)


def _keys(run: object) -> list[str]:
    identity = run.get("identity") if isinstance(run, dict) else None
    keys = identity.get("keys") if isinstance(identity, dict) else None
    return [str(key) for key in keys.values()] if isinstance(keys, dict) else []


def _closed(keys: Set[str], results: Iterable[Result]) -> frozenset[str]:
    """With the keys of everything above."""
    above = {result.key: set(result.made_from.values()) for result in results}
    found, new = set(keys), set(keys)
    while new:
        new = {key for known in new for key in above.get(known, ())} - found
        found |= new
    return frozenset(found)


def _trials(index: Index, models: list[Result], asked: Set[str]) -> list[Result]:
    """Students of searches that nobody asked for as cells, and teachers of nothing else.

    Searches do not score their students on dev: one that has scores was asked for by name.
    """
    scored = {k for r in index.results if r.stage.endswith("_scores") for k in r.made_from.values()}
    wanted = asked | scored | cell_keys(sweep_records(index.store))
    ours = [m for m in models if _is_trial(m) and m.key not in wanted]
    students = [model for model in ours if model.stage == "student"]
    needed = {
        model.made_from.get("teacher")
        for model in models
        if model.stage == "student" and model not in students
    }
    teachers = [m for m in ours if m.stage == "teacher" and m.key not in needed]
    return students + teachers


def _is_trial(model: Result) -> bool:
    identity = model.run.get("identity")
    return isinstance(identity, dict) and identity.get("generation") == TRIAL
