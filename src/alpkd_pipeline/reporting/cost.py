"""What a comparison cost: hours on devices, passes of the teacher, bytes of its signals."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.reporting.collect import Evidence
from alpkd_pipeline.reporting.store import SIGNALS, RunRecord
from alpkd_pipeline.store.finished import FinishedFolder, finished_below

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignalsRecord:
    """One cache of teacher signals.

    Attributes:
        key: its key.
        rows: examples that the teacher was run on.
        seconds: how long that took.
        bytes: of its files.
        device: what the teacher ran on.
    """

    key: str
    rows: int
    seconds: float
    bytes: int
    device: str


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
    teachers = {k: t for k, t in evidence.teachers.items() if k in _parents(students, "teacher")}
    caches = signals_records(evidence.store, _parents(students, "signals"))
    seconds: dict[tuple[str, str], float] = defaultdict(float)
    counts: dict[tuple[str, str], int] = defaultdict(int)
    spent = [("teachers", _device(t.metrics), _seconds(t)) for t in teachers.values()]
    spent += [("signals", cache.device, cache.seconds) for cache in caches.values()]
    spent += [("students", _device(s.metrics), _seconds(s)) for s in students]
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


def signals_records(store: Path, wanted: set[str]) -> dict[str, SignalsRecord]:
    """The caches with these keys that are still there, by key."""
    found = {}
    for folder in finished_below(store / SIGNALS, "*/*"):
        try:
            record = _read(folder)
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s is left out, it cannot be read: %r", folder.path, error)
            continue
        if record.key in wanted:
            found[record.key] = record
    return found


def _read(folder: FinishedFolder) -> SignalsRecord:
    said = folder.json("signals.json")
    return SignalsRecord(
        key=folder.key,
        rows=int(said["rows"]),
        seconds=float(said.get("seconds") or 0.0),
        bytes=sum(file["bytes"] for file in folder.manifest["files"].values()),
        device=_device(said),
    )


def _parents(students: list[RunRecord], name: str) -> set[str]:
    return {str(student.keys[name]) for student in students if name in student.keys}


def _reads(student: RunRecord, caches: Mapping[str, SignalsRecord]) -> bool:
    return student.keys.get("signals") in caches


def _seconds(record: RunRecord) -> float:
    return float(record.metrics.get("seconds") or 0.0)


def _device(said: Mapping[str, Any]) -> str:
    environment = said.get("environment") or {}
    kind = str(environment.get("device", "?")).partition(":")[0]
    return f"{environment.get('device_name', 'unknown')} ({kind})"
