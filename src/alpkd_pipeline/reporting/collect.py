"""All students of a store as one table, read from their run folders."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.grouping import differences, facts_but_seed, group_id
from alpkd_pipeline.reporting.store import STUDENTS, TEACHERS, RunRecord, finished_runs

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

WHOLE = ("layers", "teacher_layers", "seed", "teacher_seed", "parameters", "teacher_parameters")
REAL = ("score", "teacher_score", "seconds", "latency_ms", "speed_up")
BEFORE_SCORES = ("task", "method", "layers", "teacher_layers", "seed", "teacher_seed", "metric")
AFTER_SCORES = (
    "teacher",
    "teacher_score",
    "parameters",
    "teacher_parameters",
    "seconds",
    "latency_ms",
    "speed_up",
    "selection",
    "generation",
    "group",
    "differs",
    "key",
    "name",
    "path",
)


def collect(store: Path) -> pd.DataFrame:
    """One row for each finished and scored student of a store.

    Columns: those of `BEFORE_SCORES`, `score` (the deciding one, on the first dev split), each dev
    score as `<split>.<metric>`, those of `AFTER_SCORES`. `group` is shared by runs that differ in
    nothing but the seed; `differs` says what tells a group from others of the same method and
    depth; `path` is relative to the store. What is not known is missing.

    Args:
        store: the folder of all results (`run.store`).
    """
    import pandas as pd

    teachers = {record.key: record for record in finished_runs(store, TEACHERS)}
    records = list(finished_runs(store, STUDENTS))
    scored = [record for record in records if record.scores]
    if len(scored) < len(records):
        log.warning(
            "%d finished students have no dev scores and are left out;"
            " `kedro run --pipeline=evaluate` makes them",
            len(records) - len(scored),
        )
    rows = [_row(store, record, teachers) for record in scored]
    _add_groups(rows, scored)
    names = dict.fromkeys(name for record in scored for name in record.scores)
    frame = pd.DataFrame(rows, columns=[*BEFORE_SCORES, "score", *names, *AFTER_SCORES])
    frame = frame.astype(dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(REAL, "float64"))
    return frame.sort_values(
        ["task", "layers", "method", "differs", "group", "seed", "path"],
        ascending=[True, False, True, True, True, True, True],
        ignore_index=True,
    )


def _row(store: Path, record: RunRecord, teachers: dict[str, RunRecord]) -> dict[str, Any]:
    params, identity = record.run["params"], record.run["identity"]
    teacher = teachers.get(str((identity.get("keys") or {}).get("teacher")))
    latency_ms, speed_up = _speed(record, teacher)
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
        "latency_ms": latency_ms,
        "speed_up": speed_up,
        "selection": record.metrics.get("selection"),
        "generation": identity.get("generation", "cell"),
        "key": record.key,
        "name": record.run["name"],
        "path": record.path.relative_to(store).as_posix(),
    }


def _parameters(record: RunRecord) -> int | None:
    return (record.metrics.get("parameters") or {}).get("total")


def _speed(student: RunRecord, teacher: RunRecord | None) -> tuple[float | None, float | None]:
    """Median milliseconds for one example, and how many times faster that is than the teacher.

    Times of different machines, libraries or numbers of threads are not compared.
    """
    theirs = teacher.latencies if teacher else ()
    for mine in student.latencies:
        for other in theirs:
            if mine["environment"] == other["environment"]:
                return _p50(mine), _p50(other) / _p50(mine)
    return (_p50(student.latencies[0]), None) if student.latencies else (None, None)


def _p50(latency: Mapping[str, Any]) -> float:
    return float(latency["batch_1"]["p50_ms"])


def _add_groups(rows: list[dict[str, Any]], records: list[RunRecord]) -> None:
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


def _cell(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("task", "method", "layers", "teacher_layers", "generation"))
