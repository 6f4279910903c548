"""The students of a store as one table: a row for each run, groups and settings found.

How fast a student answers was measured on itself or on another of the same shape: seeds and methods
do not change how long a forward pass takes. Times of different machines, libraries or numbers of
threads are never compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.grouping import (
    add_settings_of,
    findings,
    flat,
    group_id,
    metadata_but_seed,
    study_of,
    teacher_metadata,
    tell_apart,
)
from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS
from alpkd_pipeline.reporting.store import RunRecord, teacher_model
from alpkd_pipeline.reporting.tables.measures import run_measures
from alpkd_pipeline.store.layout import Record

if TYPE_CHECKING:
    import pandas as pd

Latency = Mapping[str, Any]
"""What a latency.json says."""


def speeds(
    students: Sequence[RunRecord], teachers: Sequence[RunRecord | None], others: Iterable[RunRecord]
) -> Iterator[dict[str, Any]]:
    """What the table says of the speed of every student.

    `latency_ms`: median milliseconds for one example, missing if nothing like it was measured;
    `speed_up`: the teacher's over them, measured alike; `latency_shared`: whether another student
    of the same shape was measured in its place; `timed_on`: processor, device and threads, with a
    hash that also covers the libraries, empty if nothing was measured. Each student stands beside
    its teacher, where there is one; `others` are all teachers.
    """
    of_students = _by_shape(students, student_shape)
    of_teachers = _by_shape(others, _teacher_shape)
    for record, teacher in zip(students, teachers, strict=True):
        theirs = [*(teacher.latencies if teacher else ()), *of_teachers[_teacher_shape(record)]]
        mine = record.latencies or of_students[student_shape(record)]
        # A pair that was measured alike, where there is one.
        pairs = ((a, b) for a in mine for b in theirs if a["environment"] == b["environment"])
        own, other = next(pairs, (next(iter(mine), None), None))
        yield {
            "latency_ms": own and _p50(own),
            "speed_up": own and other and _p50(other) / _p50(own),
            "latency_shared": bool(own) and not record.latencies,
            "timed_on": _machine(own) if own else "",
        }


def student_shape(record: RunRecord) -> Hashable:
    """What decides how long a forward pass of a student takes: its rows and its layers."""
    student = record.run["params"]["student"]
    widths = ("layers", "hidden_size", "heads", "intermediate_size", "checkpoint")
    return (*_teacher_shape(record), _parameters(record), *(student.get(name) for name in widths))


def _teacher_shape(record: RunRecord) -> tuple[Hashable, ...]:
    return record.keys.get("encoded"), teacher_model(record.run["params"])


def _by_shape(
    records: Iterable[RunRecord], shape: Callable[[RunRecord], Hashable]
) -> Mapping[Hashable, list[Latency]]:
    found: dict[Hashable, list[Latency]] = defaultdict(list)
    for record in records:
        found[shape(record)] += record.latencies
    return found


def _machine(latency: Latency) -> str:
    """The environment of a measurement in words, unlike for unlike environments."""
    known = latency["environment"]
    name, device, threads = (known.get(n, "?") for n in ("device_name", "device", "threads"))
    return f"{name} ({device}), threads: {threads}, {group_id(flat(known))[:8]}"


def _p50(latency: Latency) -> float:
    return float(latency["batch_1"]["p50_ms"])


REGULAR = "cell"
"""The generation of an ordinary run; tuning trials and reruns have others."""

WHOLE = (
    *("layers", "teacher_layers", "seed", "teacher_seed", "parameters", "teacher_parameters"),
    "rows",
)
REAL = ("score", "teacher_score", "latency_ms", "speed_up")
BEFORE_SCORES = ("task", "method", "layers", "teacher_layers", "seed", "teacher_seed", "metric")
AFTER_SCORES = (
    *("rows", "teacher", "teacher_differs", "teacher_score"),
    *("parameters", "teacher_parameters"),
)
"""Then what `tables.measures` says that runs tell themselves."""
AFTER_MEASURES = (
    *("latency_ms", "speed_up", "latency_shared", "timed_on"),
    *("selection", "tuned", "generation", "group", "differs"),
    *(*SETTING_COLUMNS, "key", "name", "path"),
)

_ORDER = ("task", "layers", "method", "differs", "group", "seed", "path")


def run_frame(
    store: Path,
    scored: list[RunRecord],
    teachers: Mapping[str, RunRecord],
    searches: Sequence[Record],
) -> pd.DataFrame:
    """One row for each of these students, which all have scores; teachers are given by their keys,
    searches with the oldest first.

    Columns: `BEFORE_SCORES`, `score` (the primary one, on the first dev split), each dev score as
    `<split>.<metric>`, `AFTER_SCORES`, what `tables.measures` reads of runs, `AFTER_MEASURES`.
    `group` is shared by runs that differ in nothing but the seed; `differs` says what tells a group
    from others of the same method and depth; `path` is relative to the store. `tuned`: the rows on
    which its numbers were searched. What is not known is missing.
    """
    import pandas as pd

    found = findings(searches)
    taught = [teachers.get(str(record.keys.get("teacher"))) for record in scored]
    tuned = [study_of(record.run, found) for record in scored]
    rows = [
        _row(store, record, teacher) | {"tuned": study.selection if study else ""} | speed
        for record, teacher, study, speed in zip(
            scored, taught, tuned, speeds(scored, taught, teachers.values()), strict=True
        )
    ]
    metadata = [metadata_but_seed(record) for record in scored]
    add_settings_of(rows, metadata, tuned)
    tell_apart(rows, metadata, ("group", "differs"), _OF_GROUP)
    of_teachers = [teacher_metadata(teacher) if teacher else {} for teacher in taught]
    # Trials are no rivals of experiments: an experiment's teacher must not be told from theirs.
    of_model = ("task", "generation", "teacher_model")
    tell_apart(rows, of_teachers, ("teacher_group", "teacher_differs"), of_model)
    names = dict.fromkeys(name for record in scored for name in record.scores)
    tell = run_measures()
    columns = [*BEFORE_SCORES, "score", *names, *AFTER_SCORES, *tell, *AFTER_MEASURES]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.astype(dict.fromkeys(WHOLE, "Int64") | dict.fromkeys([*REAL, *tell], "float64"))
    ascending = [name != "layers" for name in _ORDER]
    return frame.sort_values([*_ORDER], ascending=ascending, ignore_index=True)


def _row(store: Path, record: RunRecord, teacher: RunRecord | None) -> dict[str, Any]:
    params, identity = record.run["params"], record.run["identity"]
    return {
        "task": record.run["task"]["name"],
        "method": params["method"]["name"],
        "layers": params["student"]["layers"],
        "teacher_layers": identity.get("teacher_layers"),
        "seed": params["seed"],
        "teacher_seed": params["teacher"].get("seed"),
        "metric": record.primary_metric,
        "score": record.primary_score,
        **record.scores,
        "rows": record.rows,
        "teacher": teacher.run["name"] if teacher else teacher_model(params),
        "teacher_model": teacher and teacher_model(teacher.run["params"]),
        "teacher_score": teacher.primary_score if teacher else None,
        "parameters": _parameters(record),
        "teacher_parameters": _parameters(teacher) if teacher else None,
        **{name: tell(record) for name, tell in run_measures().items()},
        "selection": record.metrics.get("selection"),
        "generation": run_type(record),
        "key": record.key,
        "name": record.run["name"],
        "path": record.path.relative_to(store).as_posix(),
    }


def run_type(record: RunRecord) -> str:
    """What a run was made as: `cell` for an experiment, `trial` or `rerun`."""
    return str(record.run["identity"].get("generation", REGULAR))


def _parameters(record: RunRecord) -> int | None:
    return (record.metrics.get("parameters") or {}).get("total")


_OF_GROUP = ("task", "method", "layers", "teacher_layers", "generation")
