"""The runs of a comparison as arms: one method with its options in one setting, and their pairs.

The runs of an arm differ in the student's and the teacher's seed and in nothing else. Two students
are a pair when they share the seed and the teacher. Students of one seed under several teachers are
averaged first: pairs that share a student's seed are not independent, so the number of pairs is the
number of student seeds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from alpkd_pipeline.reporting.statistics.scores import ERRORS
from alpkd_pipeline.reporting.statistics.summary import seed_summary

Unit = tuple[int, str]
"""The student's seed and the key of its teacher."""

TaskDepth = tuple[str, int]
"""A task and a number of layers."""

Row = dict[Any, Any]
"""An arm, or a comparison of two."""

ONE_TEACHER = "student seeds only"
OWN_TEACHERS = "student and teacher seeds"
MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Pairing:
    """The scores that two methods have in common."""

    # student seed -> score, averaged over the teachers that both methods have
    candidate: dict[int, float]
    reference: dict[int, float]  # the same of the other method
    spread: str  # what `spread_of` says
    teachers: int  # how many teachers were averaged in each seed, at most


def pair(candidate: Mapping[Unit, float], reference: Mapping[Unit, float]) -> Pairing:
    """The pairs of two methods: what only one of them has is left out."""
    shared = sorted(candidate.keys() & reference.keys())
    return Pairing(
        candidate=per_seed({unit: candidate[unit] for unit in shared}),
        reference=per_seed({unit: reference[unit] for unit in shared}),
        spread=spread_of(shared),
        teachers=max(map(len, teachers_by_seed(shared).values()), default=0),
    )


def per_seed(scores: Mapping[Unit, float]) -> dict[int, float]:
    """Each student seed's score, averaged over its teachers."""
    found: dict[int, list[float]] = defaultdict(list)
    for (seed, _), score in sorted(scores.items()):
        found[seed].append(score)
    return {seed: math.fsum(scores) / len(scores) for seed, scores in found.items()}


def spread_of(units: Iterable[Unit]) -> str:
    """What a standard deviation over these runs is made of.

    Returns:
        `student seeds only`: all seeds have the same teacher, or the mean over the same teachers;
        `student and teacher seeds`: each seed has a teacher of its own; `mixed`: some share one,
        so that the seeds are not independent; empty for fewer than two seeds.
    """
    teachers = teachers_by_seed(units)
    if len(teachers) < 2:
        return ""
    sets = list(teachers.values())
    if all(found == sets[0] for found in sets):
        return ONE_TEACHER
    if len(set.union(*sets)) == sum(map(len, sets)):
        return OWN_TEACHERS
    return MIXED


def teachers_by_seed(units: Iterable[Unit]) -> dict[int, set[str]]:
    """The teachers of each student seed."""
    found: dict[int, set[str]] = defaultdict(set)
    for seed, teacher in units:
        found[seed].add(teacher)
    return found


def by_task_depth(found: Iterable[Row]) -> dict[TaskDepth, list[Row]]:
    """The arms of every task and depth, in their order."""
    places: dict[TaskDepth, list[Row]] = defaultdict(list)
    for arm in found:
        places[arm["task"], arm["layers"]].append(arm)
    return dict(places)


SETTING_COLUMNS = ("setting", "setting_differs", "arm", "arm_differs", "teacher_key")
"""What `settings.add_settings` tells of a run, as texts."""

NEEDED = ("task", "method", "layers", "seed", "score", "metric", "key", *SETTING_COLUMNS)

_OF_RUNS = ("task", "method", "arm", "arm_differs", "setting", "setting_differs", "metric")


def arms(runs: Iterable[Mapping[Any, Any]]) -> list[Row]:
    """The arms of a comparison: the mean of each over seeds and what it was made of.

    Args:
        runs: what `NEEDED` names of each run that counts, and `rows` of its dev split, if known.
            Runs without a score are passed over.

    Returns:
        In the order of the runs, what all runs of an arm share; `label`: the method, and what
        differs where a task and depth has several arms of it, or methods in several settings; `n`
        student seeds, `mean`, `std`, `low` and `high` over them; `teachers`: their number;
        `spread`; `seeds`; `per_seed`: seed -> score, averaged over teachers; `units`: (seed,
        teacher) -> score; `keys`: the same -> the run's key; `runs`: the keys; `sign`: -1 where
        less is better, else 1; `rows`.

    Raises:
        ValueError: something is missing, or one arm has one seed twice under one teacher.
    """
    groups: dict[tuple[Any, ...], list[Mapping[Any, Any]]] = {}
    for run in runs:
        missing = [name for name in NEEDED if name not in run]
        if missing:
            raise ValueError(f"the runs have no column {', '.join(missing)}: see `add_settings`")
        if run["score"] is not None and not math.isnan(run["score"]):
            place = (run["task"], run["layers"], run["method"], run["arm"])
            groups.setdefault(place, []).append(run)
    return [_arm(found) for found in groups.values()]


def _arm(runs: Sequence[Mapping[Any, Any]]) -> Row:
    first = runs[0]
    units = {_unit(run): float(run["score"]) for run in runs}
    if len(units) < len(runs):
        raise ValueError(
            f"{first['task']}, {first['method']}: one seed stands twice in the arm {first['arm']}"
        )
    scores = per_seed(units)
    told = (first["arm_differs"], first["setting_differs"])
    differs = ", ".join(dict.fromkeys(part for text in told if text for part in text.split(", ")))
    return {
        **{name: first[name] for name in _OF_RUNS},
        "layers": int(first["layers"]),
        "sign": -1 if first["metric"] in ERRORS else 1,
        "rows": first.get("rows"),
        "label": f"{first['method']} ({differs})" if differs else first["method"],
        "teachers": len({teacher for _, teacher in units}),
        **asdict(seed_summary(list(scores.values()))),
        "spread": spread_of(units),
        "seeds": list(scores),
        "per_seed": scores,
        "units": units,
        "keys": {_unit(run): str(run["key"]) for run in runs},
        "runs": [str(run["key"]) for run in runs],
    }


def _unit(run: Mapping[Any, Any]) -> Unit:
    return int(run["seed"]), str(run["teacher_key"])
