"""What a comparison cost: hours on devices, passes of the teacher, bytes, trials of searches."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.tables.table import (
    Body,
    Column,
    Table,
    TableCell,
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
    """What was spent, and what the caches of signals spared."""

    # (what was made, device) -> seconds of each, evaluations during training included
    seconds: Mapping[tuple[str, str], Sequence[float]]
    seen: int  # examples that students saw together with cached signals
    built_from: int  # examples that the teacher was run on for these caches
    cache_bytes: int  # of all these caches


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
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for what, said in spent:
        environment = said.get("environment") or {}
        kind = str(environment.get("device", "?")).partition(":")[0]
        where = what, f"{environment.get('device_name', 'unknown')} ({kind})"
        seconds[where].append(float(said.get("seconds") or 0.0))
    readers = [student for student in students if student.keys.get("signals") in caches]
    return Cost(
        seconds=dict(seconds),
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
        Column("made", lambda where: where[0]),
        Column("on", lambda where: where[1]),
        numbers("number", lambda where: f"{len(cost.seconds[where]):,}"),
        numbers("time", lambda where: duration(sum(cost.seconds[where]))),
        numbers("each", lambda where: duration(fmean(cost.seconds[where]))),
    ]
    order = ("teachers", "signals", "students")
    wheres = sorted(cost.seconds, key=lambda where: (order.index(where[0]), where[1]))
    return Table(f"Time on devices, {whose}", columns, [Body(cells(columns, wheres))])


ON_DEV = TableCell("dev (optimistic)", tone="worse")


def searches_table(searches: Iterable[Record]) -> Table:
    """One line for each study of each search."""
    told = ("id", "sampler", "selection")
    found = [
        {**study, **{name: record.get(name, "") for name in told}}
        for record in searches
        for study in record["studies"]
    ]
    found.sort(key=lambda s: (str(s["task"]), int(s["layers"]), str(s["method"]), str(s["id"])))
    combinations = "combinations that the method has in this space"
    columns = [
        Column("method", lambda s: TableCell(str(s["method"]), mark=str(s["method"]))),
        Column("task", lambda s: str(s["task"])),
        numbers("layers", lambda s: str(s["layers"])),
        Column("search", lambda s: TableCell(str(s["id"]), small=str(s["sampler"]))),
        numbers("trials", _finished, "finished"),
        numbers("possible", lambda s: number(s.get("possible"), 0), combinations),
        Column("scored on", lambda s: ON_DEV if s["selection"] == "dev" else "holdout"),
        numbers("best score", _best_score),
        Column("best values", _best_values),
    ]
    return Table("Searches for hyper-parameters", columns, [Body(cells(columns, found))])


def _finished(study: Record) -> str:
    return str(study.get("done", sum(trial.get("state") == "done" for trial in study["trials"])))


def _best_score(study: Record) -> str:
    return points((study.get("best") or {}).get("score"), metric=str(study.get("metric")))


def _best_values(study: Record) -> TableCell:
    values = ((study.get("best") or {}).get("values") or {}).items()
    said = ", ".join(f"{name} = {value}" for name, value in values)
    none = "nothing to choose" if study.get("best") else "all trials failed"
    return TableCell(said or none, tone="code")
