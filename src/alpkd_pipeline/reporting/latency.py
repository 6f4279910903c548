"""How fast a student answers, measured on itself or on another of the same shape.

Seeds and methods do not change how long a forward pass takes: one student of a task and a shape is
enough. Times of different machines, libraries or numbers of threads are never compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.reporting.grouping import flat, group_id
from alpkd_pipeline.reporting.store import RunRecord


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
