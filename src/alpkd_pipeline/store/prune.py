"""Plans what goes, and removes it."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.errors import plural, size, some
from alpkd_pipeline.store.layout import PRUNED
from alpkd_pipeline.store.lineage import read_index
from alpkd_pipeline.store.prune_candidates import (
    Candidate,
    Choice,
    candidates,
    is_settled,
    kept_models,
)
from alpkd_pipeline.store.unfinished import busy, taken


def remove(candidate: Candidate) -> str:
    """Remove one thing: under its lock it gets a name that nobody looks for, then it is deleted. A
    process that is killed in between leaves a folder that counts as left over. Gives why it is
    still there; nothing if it is gone."""
    if candidate.path.is_symlink():
        return "it is a link: remove it, and what it leads to, by hand"
    lock = nullcontext(True) if candidate.lock is None else taken(candidate.lock)
    try:
        with lock as mine:
            if not mine:
                return "another process is at work on it"
            if not candidate.is_result and candidate.lock and not is_settled(candidate.path):
                return "something was written there just now"
            hidden = candidate.path
            if not hidden.name.startswith("."):  # else nobody looks for it
                hidden = hidden.with_name(f".{hidden.name}.{uuid.uuid4().hex}{PRUNED}")
                os.rename(candidate.path, hidden)
        if hidden.is_dir():
            shutil.rmtree(hidden)
        else:
            hidden.unlink(missing_ok=True)
    except OSError as error:
        return f"{error.strerror}: {error.filename}"
    return ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What goes now."""

    store: Path  # the folder of all results
    going: Sequence[Candidate]  # in order
    waiting: Sequence[Candidate] = ()  # whole results that may go once no process is at work
    busy: Sequence[Path] = ()  # what processes are making now
    # folders of models that cannot be read; much stays because of them
    doubtful: Sequence[str] = ()

    @property
    def bytes(self) -> int:
        """Of all that goes."""
        return sum(candidate.bytes for candidate in self.going)

    @property
    def total(self) -> str:
        """How much goes, in words."""
        return f"{plural(len(self.going), 'thing')}, {size(self.bytes)}"


def make_plan(store: Path, choice: Choice, asked: Set[str] | None) -> Plan:
    """Look at a store and choose what goes. Nothing is changed."""
    index = read_index(store)
    kept = kept_models(index, choice, asked)
    found = candidates(index, kept, choice)
    at_work = busy(store)
    waits = [candidate for candidate in found if at_work and candidate.is_result]
    going = [candidate for candidate in found if candidate not in waits]
    return Plan(store, tuple(going), tuple(waits), tuple(at_work), tuple(kept.doubtful))


def plan_lines(plan: Plan) -> Iterator[str]:
    """What goes and why, as text."""
    rows = [_row(candidate, plan.store) for candidate in plan.going]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    for kind, name, much, why in rows:
        yield f"  {kind:<{widths[0]}}  {name:<{widths[1]}}  {much:>{widths[2]}}  {why}"
    if plan.waiting:
        names = some([path.name for path in plan.busy])
        yield f"{len(plan.waiting)} more may go when no process is at work here ({names})"
    if plan.doubtful:
        yield (
            f"{some(plan.doubtful)}: the manifest is damaged or missing, so rows, token ids,"
            " signals, trials and what was measured all stay; see `kedro verify`"
        )


def carry_out(plan: Plan, now: Plan) -> list[str]:
    """Remove what was shown, as far as it may still go: one line for each thing that stays. `now`
    is made after somebody said yes: things may have changed while he thought."""
    allowed = {candidate.path for candidate in now.going}
    left = []
    for candidate in filter(lambda one: os.path.lexists(one.path), plan.going):
        changed = candidate.path not in allowed and candidate.path.exists()
        if why := "it is in use by now" if changed else remove(candidate):
            left.append(f"{_row(candidate, plan.store)[1]} stays: {why}")
    return left


def _row(candidate: Candidate, store: Path) -> Sequence[str]:
    name = os.path.relpath(candidate.path, store)
    return candidate.kind, name, size(candidate.bytes), candidate.why
