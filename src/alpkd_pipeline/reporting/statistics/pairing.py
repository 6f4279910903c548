"""Which scores of two arms belong together.

Two students are a pair when they share the seed and the teacher. Students of one seed under
several teachers are averaged first: pairs that share a student's seed are not independent, so the
number of pairs is the number of student seeds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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


def by_place(found: Iterable[Row]) -> dict[Place, list[Row]]:
    """The arms of every task and depth, in their order."""
    places: dict[Place, list[Row]] = defaultdict(list)
    for arm in found:
        places[arm["task"], arm["layers"]].append(arm)
    return dict(places)
