"""What a comparison cost: hours on devices, passes of the teacher, bytes of its signals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.signals import SignalsRecord, device_of
from alpkd_pipeline.reporting.store import RunRecord, parents


@dataclass(frozen=True, slots=True)
class Cost:
    """The sums.

    Attributes:
        seconds: (what was made, device) -> seconds, evaluations during training included.
        counts: (what was made, device) -> how many.
        seen: examples that students saw together with cached signals.
        built_from: examples that the teacher was run on for these caches.
        cache_bytes: of all these caches.
    """

    seconds: Mapping[tuple[str, str], float]
    counts: Mapping[tuple[str, str], int]
    seen: int
    built_from: int
    cache_bytes: int

    @property
    def spared(self) -> int:
        """Examples that the teacher did not have to be run on."""
        return self.seen - self.built_from


def total_cost(evidence: Evidence) -> Cost:
    """Add up what the students of a comparison needed: each teacher and each cache once.

    Trials and reruns count too, and students without dev scores: their time was spent.
    """
    students = list(evidence.students.values())
    teachers = {k: t for k, t in evidence.teachers.items() if k in parents(students, "teacher")}
    caches = evidence.signals
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    spent = [("teachers", device_of(t.metrics), _seconds(t)) for t in teachers.values()]
    spent += [("signals", cache.device, cache.seconds) for cache in caches.values()]
    spent += [("students", device_of(s.metrics), _seconds(s)) for s in students]
    for what, device, took in spent:
        seconds[what, device] += took
        counts[what, device] += 1
    seen = sum(int(s.metrics.get("examples") or 0) for s in students if _reads(s, caches))
    return Cost(
        seconds=dict(seconds),
        counts=dict(counts),
        seen=seen,
        built_from=sum(cache.rows for cache in caches.values()),
        cache_bytes=sum(cache.bytes for cache in caches.values()),
    )


def _reads(student: RunRecord, caches: Mapping[str, SignalsRecord]) -> bool:
    return student.keys.get("signals") in caches


def _seconds(record: RunRecord) -> float:
    return float(record.metrics.get("seconds") or 0.0)
