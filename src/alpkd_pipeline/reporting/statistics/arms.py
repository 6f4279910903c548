"""The runs of a comparison as arms, and which scores of two arms belong together.

A *setting* is what two methods must share before their scores are compared: task, data, teacher,
student, training, libraries. An *arm* is one method with its options in one setting; its runs
differ in the student's and the teacher's seed and in nothing else.

Two students are a pair when they share the seed and the teacher. Students of one seed under
several teachers are averaged first: pairs that share a student's seed are not independent, so the
number of pairs is the number of student seeds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alpkd_pipeline.reporting.grouping import group_id, told_apart
from alpkd_pipeline.reporting.statistics.summary import seed_summary

if TYPE_CHECKING:
    import pandas as pd


Unit = tuple[int, str]
"""The student's seed and the key of its teacher."""

Place = tuple[str, int]
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
    ours: dict[int, float]
    theirs: dict[int, float]  # the same of the other method
    spread: str  # what `spread_of` says
    teachers: int  # how many teachers were averaged in each seed, at most


def pair(ours: Mapping[Unit, float], theirs: Mapping[Unit, float]) -> Pairing:
    """The pairs of two methods: what only one of them has is left out."""
    shared = sorted(ours.keys() & theirs.keys())
    return Pairing(
        ours=per_seed({unit: ours[unit] for unit in shared}),
        theirs=per_seed({unit: theirs[unit] for unit in shared}),
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


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """p values corrected by Holm's step-down method, in the order given.

    If no method differed from any other, the chance that even one of the corrected p lies below
    0.05 is at most 5 %, however the tests depend on one another. The smallest of k values is
    multiplied by k, the next by k - 1, and so on; none may become smaller than one before it.

    Args:
        p_values: (..., k) p of all tests that are shown together, the family along the last axis.

    Returns:
        (..., k), at most 1. They are those of `statsmodels.stats.multitest.multipletests`, which
        collects garbage in every call and would take longer than the rest of a report.

    Raises:
        ValueError: a p value is NaN; it would silently make the family smaller.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if np.isnan(given).any():
        raise ValueError("a test without a p value belongs to no family: leave it out")
    order = np.argsort(given, axis=-1)
    factors = np.arange(given.shape[-1], 0, -1)
    raised = np.maximum.accumulate(np.take_along_axis(given, order, -1) * factors, axis=-1)
    corrected = np.empty_like(given)
    np.put_along_axis(corrected, order, np.minimum(raised, 1.0), -1)
    return corrected


SETTING_COLUMNS = ("setting", "setting_differs", "arm", "arm_differs", "teacher_key")
"""What `add_settings` tells of a run, as texts."""

TEACHER = "key.teacher"
LR = "training.lr"

_OF_SEEDS = {"seed", "teacher.seed", TEACHER, "key.signals"}
"""Facts that follow from the two seeds, once the rest is the same."""

_OF_METHOD = {"code", "key.student"}
"""The hash of a student's code covers its method's own module, so no two methods share it."""


def add_settings(
    rows: Sequence[dict[str, Any]], facts: Sequence[Mapping[str, str]], tuned: Sequence[bool]
) -> None:
    """Add `SETTING_COLUMNS` to the rows of a comparison.

    Args:
        rows: one for each run, with at least task, method, layers.
        facts: what `grouping.facts_but_seed` says of each of these runs.
        tuned: for each run whether its learning rate was searched, as it was for those that it is
            compared with: it is then the method's own choice and no part of the setting.
    """
    settings = [_setting_facts(f, t) for f, t in zip(facts, tuned, strict=True)]
    _part_teachers(settings, facts)
    arms = [_arm_facts(s, f) for s, f in zip(settings, facts, strict=True)]
    places = [(row["task"], row["layers"]) for row in rows]
    methods = [(*place, row["method"]) for place, row in zip(places, rows, strict=True)]
    told, told_arms = told_apart(settings, places), told_apart(arms, methods)
    for i, row in enumerate(rows):
        row["setting"], row["setting_differs"] = group_id(settings[i]), told[i]
        row["arm"], row["arm_differs"] = group_id(arms[i]), told_arms[i]
        row["teacher_key"] = facts[i].get(TEACHER, "").strip('"')


def _setting_facts(facts: Mapping[str, str], tuned: bool) -> dict[str, str]:
    known = {n: v for n, v in facts.items() if n not in _OF_SEEDS and not _is_of_method(n)}
    if tuned:
        known.pop(LR, None)
        known["tuned"] = "true"
    return known


def _arm_facts(setting: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    # A searched learning rate is no part of the setting, but two of them are two arms.
    return {**setting, **{n: v for n, v in facts.items() if _is_of_method(n) or n == LR}}


def _is_of_method(name: str) -> bool:
    return name in _OF_METHOD or name.startswith("method.")


def _part_teachers(settings: Sequence[dict[str, str]], facts: Sequence[Mapping[str, str]]) -> None:
    """Keep teachers apart that have one seed and are not the same: more than a seed differs."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ids = [group_id(setting) for setting in settings]
    for name, known in zip(ids, facts, strict=True):
        seen[name][known.get("teacher.seed", "")].add(known.get(TEACHER, ""))
    for name, setting, known in zip(ids, settings, facts, strict=True):
        if any(len(keys) > 1 for keys in seen[name].values()):
            setting[TEACHER] = known.get(TEACHER, "")


NEEDED = ("task", "method", "layers", "seed", "score", "metric", "key", *SETTING_COLUMNS)

_OF_RUNS = ("task", "method", "arm", "arm_differs", "setting", "setting_differs", "metric")


def arms(cells: pd.DataFrame) -> list[Row]:
    """The arms of a comparison: the mean of each over seeds and what it was made of.

    Args:
        cells: rows of `collect` that count, with `SETTING_COLUMNS`. Runs without a score are
            passed over.

    Returns:
        In the order of `cells`, what all runs of an arm share; `label`: the method, and what
        differs where a task and depth has several arms of it; `n` student seeds, `mean`, `std`,
        `low` and `high` over them; `teachers`: their number; `spread`; `seeds`; `per_seed`: seed ->
        score, averaged over teachers; `units`: (seed, teacher) -> score; `runs`: the keys.

    Raises:
        ValueError: a column is missing, or one arm has one seed twice under one teacher.
    """
    missing = [name for name in NEEDED if name not in cells.columns]
    if missing:
        raise ValueError(f"the runs have no column {', '.join(missing)}: see `add_settings`")
    scored = cells[cells["score"].notna()]
    groups = scored.groupby(["task", "layers", "method", "arm"], sort=False)
    return [_arm(runs) for _, runs in groups]


def by_place(found: Iterable[Row]) -> dict[Place, list[Row]]:
    """The arms of every task and depth, in their order."""
    places: dict[Place, list[Row]] = defaultdict(list)
    for arm in found:
        places[arm["task"], arm["layers"]].append(arm)
    return dict(places)


def _arm(runs: pd.DataFrame) -> Row:
    first, units = runs.iloc[0], _units(runs)
    scores = per_seed(units)
    differs = first["arm_differs"]
    return {
        **{name: first[name] for name in _OF_RUNS},
        "layers": int(first["layers"]),
        "label": f"{first['method']} ({differs})" if differs else first["method"],
        "teachers": len({teacher for _, teacher in units}),
        **asdict(seed_summary(list(scores.values()))),
        "spread": spread_of(units),
        "seeds": list(scores),
        "per_seed": scores,
        "units": units,
        "runs": runs["key"].tolist(),
    }


def _units(runs: pd.DataFrame) -> dict[Unit, float]:
    columns = (runs["seed"], runs["teacher_key"], runs["score"])
    units = {
        (int(seed), str(teacher)): float(score)
        for seed, teacher, score in zip(*columns, strict=True)
    }
    if len(units) < len(runs):
        first = runs.iloc[0]
        raise ValueError(
            f"{first['task']}, {first['method']}: one seed stands twice in the arm {first['arm']}"
        )
    return units
