"""One thing that is otherwise than it was, and what trainings themselves recorded otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """What the trainings themselves recorded differently: the machine, and builds of libraries."""
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
    libraries = theirs.get("libraries") or {}
    here = ours.get("libraries") or {}
    return found + [
        Difference("libraries", name, str(libraries[name]), str(here.get(name)))
        for name in libraries
        if libraries[name] != here.get(name)
    ]
