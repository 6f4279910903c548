"""The students of a store as one table: a row for each run, groups and settings found.

How fast a student answers, measured on itself or on another of the same shape.

Seeds and methods do not change how long a forward pass takes: one student of a task and a shape is
enough. Times of different machines, libraries or numbers of threads are never compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.grouping import (
    NOT_TUNED,
    differences,
    facts_but_seed,
    findings,
    flat,
    group_id,
    teacher_facts,
    told_apart,
    tuned_by,
)
from alpkd_pipeline.reporting.statistics.arms import LR, SETTING_COLUMNS, add_settings
from alpkd_pipeline.reporting.store import RunRecord
from alpkd_pipeline.store.records import Record

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Speed:
    """What is known of a student's speed.

    Attributes:
        ms: median milliseconds for one example; None if nothing like it was measured.
        speed_up: the teacher's milliseconds over the student's, measured alike; None if unknown.
        shared: whether another student of the same shape was measured in its place.
        on: where it was measured: processor, device and threads, with a hash that also covers the
            libraries; empty if nothing was.
    """

    ms: float | None = None
    speed_up: float | None = None
    shared: bool = False
    on: str = ""


def speeds(students: Iterable[RunRecord], teachers: Mapping[str, RunRecord]) -> dict[str, Speed]:
    """The speed of every student, by its key.

    Args:
        students: all students.
        teachers: all teachers by key.
    """
    known = list(students)
    of_students = _by_shape((student_shape(r), r) for r in known)
    of_teachers = _by_shape((_teacher_shape(r), r) for r in teachers.values())
    found = {}
    for record in known:
        teacher = teachers.get(str(record.keys.get("teacher")))
        theirs = [
            *(teacher.latencies if teacher else ()),
            *of_teachers.get(_teacher_shape(record), ()),
        ]
        shared = not record.latencies
        mine = of_students.get(student_shape(record), []) if shared else record.latencies
        found[record.key] = _compared(mine, theirs, shared)
    return found


def student_shape(record: RunRecord) -> Hashable:
    """What decides how long a forward pass of a student takes: its rows and its layers."""
    student = record.run["params"]["student"]
    widths = ("layers", "hidden_size", "heads", "intermediate_size", "checkpoint")
    total = (record.metrics.get("parameters") or {}).get("total")
    return (*_teacher_shape(record), total, *(student.get(name) for name in widths))


def _teacher_shape(record: RunRecord) -> tuple[Hashable, ...]:
    return record.keys.get("encoded"), record.run["params"]["teacher"].get("model")


def _by_shape(
    records: Iterable[tuple[Hashable, RunRecord]],
) -> dict[Hashable, list[Mapping[str, Any]]]:
    found: dict[Hashable, list[Mapping[str, Any]]] = {}
    for shape, record in records:
        found.setdefault(shape, []).extend(record.latencies)
    return found


def _compared(
    mine: Iterable[Mapping[str, Any]], theirs: Iterable[Mapping[str, Any]], shared: bool
) -> Speed:
    """Milliseconds and speed-up, of a pair that was measured alike where there is one."""
    ours, others = list(mine), list(theirs)
    for own in ours:
        for other in others:
            if own["environment"] == other["environment"]:
                return Speed(_p50(own), _p50(other) / _p50(own), shared, _place(own))
    return Speed(_p50(ours[0]), None, shared, _place(ours[0])) if ours else Speed()


def _place(latency: Mapping[str, Any]) -> str:
    """The environment of a measurement in words, unlike for unlike environments."""
    known = latency["environment"]
    name, device, threads = (known.get(n, "?") for n in ("device_name", "device", "threads"))
    return f"{name} ({device}), threads: {threads}, {group_id(flat(known))[:8]}"


def _p50(latency: Mapping[str, Any]) -> float:
    return float(latency["batch_1"]["p50_ms"])


CELL = "cell"
"""The generation of an ordinary run; tuning trials and reruns have others."""

WHOLE = ("layers", "teacher_layers", "seed", "teacher_seed", "parameters", "teacher_parameters")
REAL = ("score", "teacher_score", "seconds", "latency_ms", "speed_up")
BEFORE_SCORES = ("task", "method", "layers", "teacher_layers", "seed", "teacher_seed", "metric")
AFTER_SCORES = (
    "teacher",
    "teacher_differs",
    "teacher_score",
    "parameters",
    "teacher_parameters",
    "seconds",
    "latency_ms",
    "speed_up",
    "latency_shared",
    "timed_on",
    "selection",
    "tuned",
    "generation",
    "group",
    "differs",
    *SETTING_COLUMNS,
    "key",
    "name",
    "path",
)


def run_frame(
    store: Path,
    scored: list[RunRecord],
    teachers: Mapping[str, RunRecord],
    searches: Sequence[Record],
) -> pd.DataFrame:
    """The table that `collect` describes.

    Args:
        store: the folder of all results; paths are relative to it.
        scored: the students, all with scores.
        teachers: all teachers by key.
        searches: the records of all searches, the oldest first.
    """
    import pandas as pd

    speed = speeds(scored, teachers)
    found = findings(searches)
    rows = [_row(store, record, teachers, speed[record.key]) for record in scored]
    tuned = [tuned_by(record, found) for record in scored]
    _add_teachers(rows, scored, teachers)
    for row, study in zip(rows, tuned, strict=True):
        row["tuned"] = study.selection if study else NOT_TUNED
    _add_groups(rows, scored, [study is not None and LR in study.values for study in tuned])
    names = dict.fromkeys(name for record in scored for name in record.scores)
    frame = pd.DataFrame(rows, columns=[*BEFORE_SCORES, "score", *names, *AFTER_SCORES])
    frame = frame.astype(dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(REAL, "float64"))
    return frame.sort_values(
        ["task", "layers", "method", "differs", "group", "seed", "path"],
        ascending=[True, False, True, True, True, True, True],
        ignore_index=True,
    )


def _row(
    store: Path, record: RunRecord, teachers: Mapping[str, RunRecord], speed: Speed
) -> dict[str, Any]:
    params, identity = record.run["params"], record.run["identity"]
    teacher = teachers.get(str(record.keys.get("teacher")))
    return {
        "task": record.run["task"]["name"],
        "method": params["method"]["name"],
        "layers": params["student"]["layers"],
        "teacher_layers": identity.get("teacher_layers"),
        "seed": params["seed"],
        "teacher_seed": params["teacher"].get("seed"),
        "metric": record.deciding_metric,
        "score": record.deciding_score,
        **record.scores,
        "teacher": teacher.run["name"] if teacher else params["teacher"].get("model"),
        "teacher_score": teacher.deciding_score if teacher else None,
        "parameters": _parameters(record),
        "teacher_parameters": _parameters(teacher) if teacher else None,
        "seconds": record.metrics.get("seconds"),
        "latency_ms": speed.ms,
        "speed_up": speed.speed_up,
        "latency_shared": speed.shared,
        "timed_on": speed.on,
        "selection": record.metrics.get("selection"),
        "generation": generation(record),
        "key": record.key,
        "name": record.run["name"],
        "path": record.path.relative_to(store).as_posix(),
    }


def generation(record: RunRecord) -> str:
    """What a run was made as: `cell`, `trial` or `rerun`."""
    return str(record.run["identity"].get("generation", CELL))


def _parameters(record: RunRecord) -> int | None:
    return (record.metrics.get("parameters") or {}).get("total")


def _add_teachers(
    rows: list[dict[str, Any]], records: list[RunRecord], teachers: Mapping[str, RunRecord]
) -> None:
    """Add `teacher_differs`: what tells a teacher from others of its task and model, in words."""
    places: list[tuple[Any, ...]] = []
    facts: list[dict[str, str]] = []
    for row, record in zip(rows, records, strict=True):
        teacher = teachers.get(str(record.keys.get("teacher")))
        known = teacher_facts(teacher) if teacher else {}
        # Trials are no rivals of cells: a cell's teacher must not be told from theirs.
        places.append((row["task"], row["generation"], known.get("teacher.model")))
        facts.append(known)
    for row, told in zip(rows, told_apart(facts, places), strict=True):
        row["teacher_differs"] = told


def _add_groups(
    rows: list[dict[str, Any]], records: list[RunRecord], rate_searched: Sequence[bool]
) -> None:
    facts = [facts_but_seed(record) for record in records]
    seeds = [(group_id(f), row["seed"]) for f, row in zip(facts, rows, strict=True)]
    times = Counter(seeds)
    rivals: dict[tuple[Any, ...], dict[str, dict[str, str]]] = defaultdict(dict)
    for row, known, seed in zip(rows, facts, seeds, strict=True):
        if times[seed] > 1:
            # One seed twice: something differs that was not recorded, so nothing may be pooled.
            known["key.student"] = f'"{row["key"]}"'
        row["group"] = group_id(known)
        rivals[_cell(row)][row["group"]] = known
    told = {cell: differences(groups) for cell, groups in rivals.items()}
    for row in rows:
        row["differs"] = told[_cell(row)][row["group"]]
    for kind in {row["generation"] for row in rows}:
        # Trials and reruns are no rivals of cells: a cell's label must not tell them apart.
        chosen = [i for i, row in enumerate(rows) if row["generation"] == kind]
        there, theirs = [rows[i] for i in chosen], [facts[i] for i in chosen]
        add_settings(there, theirs, _searched(there, theirs, [rate_searched[i] for i in chosen]))


def _searched(
    rows: Sequence[dict[str, Any]], facts: Sequence[Mapping[str, str]], searched: Sequence[bool]
) -> list[bool]:
    """For each run whether its learning rate was searched, and is another than its rivals'.

    Where all have one rate in the end, a searched one is no reason to keep methods apart.
    """
    rates: dict[tuple[Any, ...], set[str | None]] = defaultdict(set)
    for row, known in zip(rows, facts, strict=True):
        rates[row["task"], row["layers"]].add(known.get(LR))
    return [
        rate and len(rates[row["task"], row["layers"]]) > 1
        for row, rate in zip(rows, searched, strict=True)
    ]


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("task", "method", "layers", "teacher_layers", "generation"))
