"""All students of a store as one table, and what a comparison is asked of them.

A look is a comparison in which two configurations of a task and depth were tested: looking again
and again finds what is not there. All looks of a store are lines of one file beside its
comparisons, which is only ever added to.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.coordinates import PLACES, absent, matches, parse_only, said
from alpkd_pipeline.errors import UserError, as_typed
from alpkd_pipeline.reporting.claim.read import claims_below, unpacked
from alpkd_pipeline.reporting.claim.verify import CLAIM
from alpkd_pipeline.reporting.frame import REGULAR, run_frame, run_type
from alpkd_pipeline.reporting.statistics.arms import Row
from alpkd_pipeline.reporting.statistics.words import Plan
from alpkd_pipeline.reporting.store import RunRecord, check_results, finished_runs
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.layout import (
    COMPARISONS,
    STUDENTS,
    TEACHERS,
    Record,
    chosen_sweep,
    experiment_keys,
    search_records,
    sweep_records,
)
from alpkd_pipeline.store.manifest import read_json

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

FILE = "looks.jsonl"

Looks = Mapping[tuple[str, str], list[int]]
"""Two arms -> the numbers of seeds with which they were tested."""


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters `compare`."""

    sweep: str | None = None  # a sweep, as for `chosen_sweep`; None: everything in the store
    # of the rest only what has these coordinates, as for `coordinates.matches`
    only: Mapping[str, Any] = field(default_factory=dict)
    plan: Plan = field(default_factory=Plan)
    claims: str | None = None  # a claim, or a folder with several, whose runs count too

    @classmethod
    def of(cls, block: Mapping[str, Any]) -> Query:
        """Read the block as `params.CompareParams` has checked it."""
        plan = Plan(block["primary"], block["margin"], block["looks"])
        return cls(block["sweep"], parse_only(block["only"] or ""), plan, block["claims"])

    @property
    def key_parts(self) -> dict[str, Any]:
        """What the comparison's key depends on; of a sweep only its experiments count."""
        claims = sorted(claims_below(self.claims)) if self.claims else []
        return {"only": dict(self.only), "plan": asdict(self.plan), "claims": claims}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a store holds about its students."""

    store: Path  # the folder of all results
    runs: pd.DataFrame  # what `run_frame` describes
    # the records of all finished students, by key; those without dev scores too
    students: Mapping[str, RunRecord]
    teachers: Mapping[str, RunRecord]  # all teachers, by key
    searches: Sequence[Record]  # the records of all searches, the oldest first
    sweep: Record | None  # the record of the sweep that was asked for; None: everything was read
    plan: Plan  # what was asked, and what counts as equal
    looks: Looks  # what was tested before
    only: Mapping[str, Any]  # the coordinates that were asked for; empty: all
    # key -> coordinates of each experiment that was to be made, whether it was asked for or not
    planned: Mapping[str, Mapping[str, Any]]

    @property
    def left_out(self) -> dict[str, int]:
        """How many finished students of other generations there are, by generation."""
        counts = Counter(run_type(record) for record in self.students.values())
        return {name: counts[name] for name in sorted(counts) if name != REGULAR}

    @property
    def experiments(self) -> pd.DataFrame:
        """The runs that enter tables: no trials, no reruns."""
        return self.runs[self.runs["generation"] == REGULAR]


def gather(store: Path, query: Query | None = None) -> Evidence:
    """Everything that a comparison is made from.

    Raises:
        DamagedError: names every file that is not what was written, of all that is compared.
        UserError: there is no such sweep, or no student is what is asked for.
    """
    query = query or Query()
    places = unpacked(store, claims_below(query.claims)) if query.claims else []
    claims = [read_json(place / CLAIM) for place in places]
    stores = [store, *places]
    for place in stores:
        check_results(place)
    sweeps = sweep_records(store)
    chosen = sweeps if query.sweep is None else [chosen_sweep(sweeps, query.sweep)]
    claimed = {run["key"] for claim in claims for run in claim["runs"]}
    listed, wanted = experiment_keys(sweeps) | claimed, experiment_keys(chosen) | claimed
    teachers = _first(stores, TEACHERS)
    students = [
        _as_regular(record) if key in listed else record
        for key, record in _first(stores, STUDENTS).items()
        if query.sweep is None or key in wanted
    ]
    students = _chosen(students, query.only)
    planned = {key: place for claim in claims for key, place in claim["planned"].items()}
    for sweep in chosen:
        planned |= {str(one["key"]): one.get("coordinates") or {} for one in sweep["cells"]}
    known = {search["id"]: search for claim in claims for search in claim["searches"]}
    known |= {search["id"]: search for search in search_records(store)}
    searches = sorted(known.values(), key=lambda one: (str(one.get("started")), str(one["id"])))
    scored = _with_versions([record for record in students if record.scores])
    # Trials that were chosen on held-out rows need no dev scores.
    unscored = sum(not record.scores and run_type(record) == REGULAR for record in students)
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
        searches=searches,
        sweep=None if query.sweep is None else chosen[0],
        plan=query.plan,
        looks=looks_of(store),
        only=query.only,
        planned=planned,
    )


def _first(stores: Iterable[Path], kind: str) -> dict[str, RunRecord]:
    """Each run once, by its key: what is in the store before what is claimed."""
    found: dict[str, RunRecord] = {}
    for record in (record for store in stores for record in finished_runs(store, kind)):
        found.setdefault(record.key, record)
    return found


def _chosen(students: list[RunRecord], only: Mapping[str, Any]) -> list[RunRecord]:
    """The students with these coordinates; a value that none has yet is told, as a slip may be."""
    params = [flat(record.run["params"]) for record in students]
    places = [{name: known.get(path) for name, path in PLACES.items()} for known in params]
    chosen = [s for s, place in zip(students, places, strict=True) if matches(only, place)]
    told, lost = "parameter 'compare.only': no finished student is", [*absent(only, places)]
    if only and not chosen:
        there = dict.fromkeys(said({name: place[name] for name in only}) for place in places)
        other = f"{said(only)}; there is {' or '.join([*there][:3])}"
        raise UserError(f"{told} {lost[0] if lost else other}")
    for problem in lost:
        log.warning("%s %s", told, problem)
    return chosen


def _with_versions(records: list[RunRecord]) -> list[RunRecord]:
    """Runs whose scores by a metric that was edited meanwhile say its version: two columns."""
    versions = Counter(n for n, _ in {pair for r in records for pair in r.own_metrics.items()})

    def column(record: RunRecord, title: str) -> str:
        split, metric, *key = title.split(".", 2)
        version = f"@{record.own_metrics[metric][:8]}" if versions[metric] > 1 else ""
        return ".".join([split, f"{metric}{version}", *key])

    return [r.but(scores={column(r, n): v for n, v in r.scores.items()}) for r in records]


def _as_regular(record: RunRecord) -> RunRecord:
    """A trial that a sweep lists too is the same student, asked for as an experiment."""
    if run_type(record) != "trial":
        return record
    identity = {**record.run["identity"], "generation": REGULAR}
    return record.but(run={**record.run, "identity": identity})


def looks_of(store: Path) -> Looks:
    """All looks of a store; a line that cannot be read does not count."""
    found: dict[tuple[str, str], set[int]] = defaultdict(set)
    path = store / COMPARISONS / FILE
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            look = json.loads(line)
            found[str(look["arm"]), str(look["baseline_arm"])].add(int(look["seeds"]))
        except (ValueError, KeyError, TypeError):
            continue
    return {pair: sorted(seeds) for pair, seeds in found.items()}


def add_looks(store: Path, rows: Iterable[Row]) -> None:
    """Remember the pairs that were tested, each number of seeds once."""
    known, date = looks_of(store), f"{datetime.now(UTC):%Y-%m-%d}"
    names = ("task", "layers", "label", "arm", "baseline_label", "baseline_arm")
    lines = [
        json.dumps({**{name: row[name] for name in names}, "seeds": row["n"], "date": date}) + "\n"
        for row in rows
        if row["df"] is not None
        and row["n"] not in known.get((row["arm"], row["baseline_arm"]), ())
    ]
    if lines:
        path = store / COMPARISONS / FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))
