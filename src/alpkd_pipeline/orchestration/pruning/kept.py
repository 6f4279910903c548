"""Which results stay, and the keys that they were made from."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from alpkd_pipeline.orchestration.integrity.index import Index
from alpkd_pipeline.orchestration.integrity.lineage import Result
from alpkd_pipeline.orchestration.integrity.places import MODELS
from alpkd_pipeline.orchestration.integrity.unfinished import run_of
from alpkd_pipeline.reporting.sweeps import cell_keys, sweep_records

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
    """The models that stay.

    Attributes:
        models: they, as published.
        trials: the models of searches that go.
        needed: keys of all that the models, interrupted trainings and conf/ build upon; None if
            nobody knows what conf/ asks for.
    """

    models: tuple[Result, ...]
    trials: tuple[Result, ...]
    needed: Set[str] | None


def kept_models(index: Index, choice: Choice, asked: Set[str] | None) -> Kept:
    """Choose the models that stay.

    Args:
        index: what the store holds.
        choice: what is wanted removed.
        asked: the keys of the cells that conf/ describes; None if that cannot be known: then
            rows, token ids, signals and models all stay.
    """
    models = [r for r in index.results if r.entry.kind.name in MODELS]
    if asked is None:
        return Kept(tuple(models), (), None)
    trials = _trials(index, models, asked) if choice.trials else []
    stay = tuple(model for model in models if model not in trials)
    # Asked for too: what is not finished yet, unless it is to go.
    unfinished = [e for e in index.others if e.state == "unsealed"]
    if not choice.interrupted:
        unfinished += [entry for entry in index.others if entry.state == "work"]
    runs = [model.run for model in stay] + [run_of(entry.path) for entry in unfinished]
    needed = {key for run in runs for key in _keys(run)}
    needed |= {key for model in stay for key in (model.key, *model.made_from.values())}
    return Kept(stay, tuple(trials), _closed(needed | asked, index.results))


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
