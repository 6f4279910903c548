"""All students of a store as one table, read from their run folders."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.coordinates import PLACES, absent, matches, said
from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.reporting.asked import Asked, Looks, looks_of
from alpkd_pipeline.reporting.claim.read import claims_below, unpacked
from alpkd_pipeline.reporting.claim.verify import CLAIM
from alpkd_pipeline.reporting.frame import CELL, generation, run_frame
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.reporting.store import RunRecord, check_results, finished_runs
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.layout import (
    STUDENTS,
    TEACHERS,
    Record,
    cell_keys,
    chosen_sweep,
    search_records,
    sweep_records,
)
from alpkd_pipeline.store.manifest import read_json

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

TRIAL = "trial"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a store holds about its students."""

    store: Path  # the folder of all results
    runs: pd.DataFrame  # what `run_frame` describes
    # the records of all finished students, by key; those without dev scores too
    students: Mapping[str, RunRecord]
    teachers: Mapping[str, RunRecord]  # all teachers, by key
    searches: tuple[Record, ...]  # the records of all searches, the oldest first
    sweep: Record | None  # the record of the sweep that was asked for; None: everything was read
    plan: Plan = field(default_factory=Plan)  # what was asked, and what counts as equal
    looks: Looks = field(default_factory=dict)  # what was tested before
    # the coordinates that were asked for, as for `coordinates.matches`; empty: all
    only: Mapping[str, Any] = field(default_factory=dict)
    # key -> coordinates of each cell that was to be made, whether it was asked for or not
    planned: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, int]:
        """How many finished students of other generations there are, by generation."""
        counts = Counter(generation(record) for record in self.students.values())
        return {name: counts[name] for name in sorted(counts) if name != CELL}

    @property
    def cells(self) -> pd.DataFrame:
        """The runs that enter tables: no trials, no reruns."""
        return self.runs[self.runs["generation"] == CELL]


def gather(store: Path, asked: Asked | None = None) -> Evidence:
    """Everything that a comparison is made from.

    Raises:
        DamagedError: names every file that is not what was written, of all that is compared.
        UserError: there is no such sweep, or no student is what is asked for.
    """
    asked = asked or Asked()
    places = unpacked(store, claims_below(asked.claims)) if asked.claims else []
    claims = [read_json(place / CLAIM) for place in places]
    stores = [store, *places]
    for place in stores:
        check_results(place)
    sweeps = sweep_records(store)
    chosen = chosen_sweep(sweeps, asked.sweep) if asked.sweep is not None else None
    claimed = {run["key"] for claim in claims for run in claim["runs"]}
    wanted = cell_keys([chosen]) | claimed if chosen is not None else None
    teachers = _first(record for place in stores for record in finished_runs(place, TEACHERS))
    listed = cell_keys(sweeps) | claimed
    students = [
        as_cell(record) if record.key in listed else record
        for record in _first(r for place in stores for r in finished_runs(place, STUDENTS)).values()
        if wanted is None or record.key in wanted
    ]
    students = _chosen(students, asked.only)
    planned = {key: place for claim in claims for key, place in claim["planned"].items()}
    for sweep in [chosen] if chosen is not None else sweeps:
        planned |= {str(cell["key"]): cell.get("coordinates") or {} for cell in sweep["cells"]}
    known = {search["id"]: search for claim in claims for search in claim["searches"]}
    known |= {search["id"]: search for search in search_records(store)}
    searches = sorted(known.values(), key=lambda one: (str(one.get("started")), str(one["id"])))
    scored = with_versions([record for record in students if record.scores])
    # Trials that were chosen on held-out rows need no dev scores.
    unscored = sum(not record.scores and generation(record) == CELL for record in students)
    if unscored:
        log.warning(
            "%d finished students have no dev scores and are left out; `%s` makes them",
            unscored,
            as_typed("kedro run --pipeline=evaluate"),
        )
    return Evidence(
        store=store,
        runs=run_frame(store, scored, teachers, searches),
        students={record.key: record for record in students},
        teachers=teachers,
        searches=tuple(searches),
        sweep=chosen,
        plan=asked.plan,
        looks=looks_of(store),
        only=asked.only,
        planned=planned,
    )


def _first(records: Iterable[RunRecord]) -> dict[str, RunRecord]:
    """Each run once, by its key: what is in the store before what is claimed."""
    found: dict[str, RunRecord] = {}
    for record in records:
        found.setdefault(record.key, record)
    return found


def _chosen(students: list[RunRecord], only: Mapping[str, Any]) -> list[RunRecord]:
    """The students with these coordinates; a value that none has yet is told, as a slip may be."""
    places = [coordinates(record) for record in students]
    chosen = [s for s, place in zip(students, places, strict=True) if matches(only, place)]
    told, lost = "parameter 'compare.only': no finished student is", [*absent(only, places)]
    if only and not chosen:
        there = dict.fromkeys(said({name: place[name] for name in only}) for place in places)
        other = f"{said(only)}; there is {' or '.join([*there][:3])}"
        raise UserError(f"{told} {lost[0] if lost else other}")
    for problem in lost:
        log.warning("%s %s", told, problem)
    return chosen


def coordinates(record: RunRecord) -> dict[str, Any]:
    """A student's place in a grid."""
    params = flat(record.run["params"])
    return {name: params.get(place) for name, place in PLACES.items()}


def with_versions(records: list[RunRecord]) -> list[RunRecord]:
    """Runs whose scores by a metric that was edited meanwhile say its version: two columns."""
    versions = Counter(n for n, _ in {pair for r in records for pair in r.own_metrics.items()})

    def column(record: RunRecord, title: str) -> str:
        split, metric, *key = title.split(".", 2)
        version = f"@{record.own_metrics[metric][:8]}" if versions[metric] > 1 else ""
        return ".".join([split, f"{metric}{version}", *key])

    return [r.but(scores={column(r, n): v for n, v in r.scores.items()}) for r in records]


def as_cell(record: RunRecord) -> RunRecord:
    """A trial of a search whose key a sweep lists too: the same student, asked for as a cell."""
    if generation(record) != TRIAL:
        return record
    identity = {**record.run["identity"], "generation": CELL}
    return record.but(run={**record.run, "identity": identity})
