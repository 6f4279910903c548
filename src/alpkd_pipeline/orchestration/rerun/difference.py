"""One thing that is otherwise than it was, and what trainings themselves recorded otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from alpkd_pipeline.orchestration.rerun.original import StoredRun

Kind = Literal["code", "data", "libraries", "python", "parameters", "damage", "device", "threads"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was so then and is otherwise now.

    Attributes:
        kind: what sort of thing.
        what: its name.
        then: how it was.
        now: how it is.
    """

    kind: Kind
    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} -> {self.now}"


def after_running(then: StoredRun, now: StoredRun) -> list[Difference]:
    """What the trainings themselves recorded differently.

    The machine, builds of libraries, batches that were split and trainings that went on elsewhere.
    """
    ours, theirs = now.environment, then.environment
    names: list[tuple[Kind, str, str]] = [
        ("device", "device", "device"),
        ("device", "processor", "device_name"),
        ("device", "precision", "precision"),
        ("threads", "threads", "threads"),
        ("device", "attention kernel", "attention"),
    ]
    found = [
        Difference(kind, f"{what} of the {then.stage}", str(theirs.get(name)), str(ours.get(name)))
        for kind, what, name in names
        # The attention kernel is not in the records of older versions.
        if theirs.get(name) != ours.get(name) and (name in theirs or name != "attention")
    ]
    found += _deviations(then, now)
    libraries = theirs.get("libraries") or {}
    here = ours.get("libraries") or {}
    return found + [
        Difference("libraries", name, str(libraries[name]), str(here.get(name)))
        for name in libraries
        if libraries[name] != here.get(name)
    ]


def _deviations(then: StoredRun, now: StoredRun) -> list[Difference]:
    """Known reasons why not every bit can be the same: each named once for each model."""
    pairs = [
        ("batches", _split_batches(then), _split_batches(now)),
        ("training", _places(then), _places(now)),
    ]
    return [
        Difference("device", f"{what} of the {then.stage}", before, after)
        for what, before, after in pairs
        if before != after
    ]


def _split_batches(run: StoredRun) -> str:
    short = run.metrics.get("memory") or ()
    told = [f"{e.get('rows')} of {e.get('instead_of')} rows ({e.get('doing')})" for e in short]
    return f"split for lack of memory, {', '.join(told)} at once" if told else "whole"


def _places(run: StoredRun) -> str:
    moves = run.metrics.get("resumed_on") or ()
    told = [f"after step {m.get('after_step')} with {_changes(m.get('differs'))}" for m in moves]
    return f"gone on with elsewhere: {'; '.join(told)}" if told else "in one place"


def _changes(differs: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name} {now}, was {old}" for name, (old, now) in (differs or {}).items())
