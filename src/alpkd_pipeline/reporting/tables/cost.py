"""What a comparison cost: hours on devices, passes of the teacher, bytes, trials of searches."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.tables.table import (
    Body,
    Cell,
    Column,
    Table,
    cells,
    duration,
    number,
    numbers,
    points,
)
from alpkd_pipeline.store.layout import SIGNALS, Record
from alpkd_pipeline.store.run_folder import finished_below

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cost:
    """The sums."""

    # (what was made, device) -> seconds, evaluations during training included
    seconds: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]  # (what was made, device) -> how many
    seen: int  # examples that students saw together with cached signals
    built_from: int  # examples that the teacher was run on for these caches
    cache_bytes: int  # of all these caches

    @property
    def spared(self) -> int:
        """Examples that the teacher did not have to be run on."""
        return self.seen - self.built_from


def total_cost(evidence: Evidence) -> Cost:
    """Add up what the students of a comparison needed: each teacher and each cache once.

    Trials and reruns count too, and students without dev scores: their time was spent.
    """
    students = evidence.students.values()
    wanted = {name: {s.keys.get(name) for s in students} for name in ("teacher", "signals")}
    caches = {k: c for k, c in _signals(evidence.store).items() if k in wanted["signals"]}
    teachers = [record for key, record in evidence.teachers.items() if key in wanted["teacher"]]
    spent = [("teachers", teacher.metrics) for teacher in teachers]
    spent += [("signals", cache) for cache in caches.values()]
    spent += [("students", student.metrics) for student in students]
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for what, said in spent:
        environment = said.get("environment") or {}
        kind = str(environment.get("device", "?")).partition(":")[0]
        place = what, f"{environment.get('device_name', 'unknown')} ({kind})"
        seconds[place] += float(said.get("seconds") or 0.0)
        counts[place] += 1
    readers = [student for student in students if student.keys.get("signals") in caches]
    return Cost(
        seconds=dict(seconds),
        counts=dict(counts),
        seen=sum(int(student.metrics.get("examples") or 0) for student in readers),
        built_from=sum(cache["rows"] for cache in caches.values()),
        cache_bytes=sum(cache["bytes"] for cache in caches.values()),
    )


def _signals(store: Path) -> dict[str, dict[str, Any]]:
    """Key -> what a cache that is still there says of itself, and the bytes of its files."""
    found = {}
    for folder in finished_below(store / SIGNALS, "*/*"):
        try:
            said = folder.json("signals.json")
            size = sum(file["bytes"] for file in folder.manifest["files"].values())
            took, rows = float(said.get("seconds") or 0.0), int(said["rows"])
            found[folder.key] = {**said, "seconds": took, "rows": rows, "bytes": size}
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is left out, it cannot be read: %r", folder.path, error)
    return found


def cost_table(cost: Cost, whose: str) -> Table:
    """Time by what was made and on what device, and whose time was added up."""
    columns = [
        Column("made", lambda place: place[0]),
        Column("on", lambda place: place[1]),
        numbers("number", lambda place: f"{cost.counts[place]:,}"),
        numbers("time", lambda place: duration(cost.seconds[place])),
        numbers("each", lambda place: duration(cost.seconds[place] / cost.counts[place])),
    ]
    order = ("teachers", "signals", "students")
    places = sorted(cost.seconds, key=lambda place: (order.index(place[0]), place[1]))
    return Table(f"Time on devices, {whose}", columns, [Body(cells(columns, places))])


ON_DEV = Cell("dev (optimistic)", tone="worse")


def searches_table(searches: tuple[Record, ...]) -> Table | None:
    """One line for each study of each search, or no table."""
    found = [(record, study) for record in searches for study in record["studies"]]
    found.sort(
        key=lambda f: (str(f[1]["task"]), int(f[1]["layers"]), str(f[1]["method"]), str(f[0]["id"]))
    )
    table = Table("Searches for hyper-parameters", _OF_STUDIES, [Body(cells(_OF_STUDIES, found))])
    return table if found else None


def _finished(study: Any) -> int:
    return int(study.get("done", sum(trial.get("state") == "done" for trial in study["trials"])))


def _best_values(study: Any) -> str:
    best = study.get("best")
    if not best:
        return "all trials failed"
    values = (best.get("values") or {}).items()
    return ", ".join(f"{name} = {value}" for name, value in values) or "nothing to choose"


def _best_score(study: Any) -> str:
    return points((study.get("best") or {}).get("score"), metric=str(study.get("metric")))


_OF_STUDIES = (
    Column("method", lambda f: Cell(str(f[1]["method"]), mark=str(f[1]["method"]))),
    Column("task", lambda f: str(f[1]["task"])),
    numbers("layers", lambda f: str(f[1]["layers"])),
    Column("search", lambda f: Cell(str(f[0]["id"]), small=f"{f[0].get('sampler', '')}")),
    numbers("trials", lambda f: str(_finished(f[1])), "finished"),
    numbers(
        "possible",
        lambda f: number(f[1].get("possible"), 0),
        "combinations that the method has in this space",
    ),
    Column("scored on", lambda f: ON_DEV if f[0].get("selection") == "dev" else "holdout"),
    numbers("best score", lambda f: _best_score(f[1])),
    Column("best values", lambda f: Cell(_best_values(f[1]), tone="code")),
)
"""Of pairs of a search's record and one of its studies."""
