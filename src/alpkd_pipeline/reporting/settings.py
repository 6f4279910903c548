"""Which runs of a comparison may be held against each other.

A *setting* is what two methods must share before their scores are compared: task, data, teacher,
student, training, libraries. An *arm* is one method with its options in one setting; its runs
differ in the student's and the teacher's seed and in nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from alpkd_pipeline.reporting.grouping import Found, group_id, tell_apart

TEACHER = "key.teacher"
LR = "training.lr"

_OF_SEEDS = {"seed", "teacher.seed", TEACHER, "key.signals"}
"""Facts that follow from the two seeds, once the rest is the same."""

_OF_METHOD = {"code", "key.student"}
"""The hash of a student's code covers its method's own module, so no two methods share it."""


def add_settings_of(
    rows: Sequence[dict[str, Any]],
    facts: Sequence[dict[str, str]],
    studies: Sequence[Found | None],
) -> None:
    """`add_settings` to the rows of real runs, with the studies that found their numbers; facts of
    one seed that stands twice become unlike.
    """
    _part_twins(rows, facts)
    # Where all have one rate in the end, a searched one is no reason to keep methods apart.
    places = [tuple(row.get(name) for name in _RIVALS) for row in rows]
    rates: dict[tuple[Any, ...], set[str | None]] = defaultdict(set)
    for place, known in zip(places, facts, strict=True):
        rates[place].add(known.get(LR))
    tuned = [
        study is not None and LR in study.values and len(rates[place]) > 1
        for place, study in zip(places, studies, strict=True)
    ]
    add_settings(rows, facts, tuned)


def _part_twins(rows: Sequence[Mapping[str, Any]], facts: Sequence[dict[str, str]]) -> None:
    """Keep runs apart that have one seed and the same facts, by their keys.

    Something differs that was not recorded, so nothing may be pooled. The rows need `seed`, `key`.
    """
    seeds = [(group_id(known), row["seed"]) for row, known in zip(rows, facts, strict=True)]
    times = Counter(seeds)
    for row, known, seed in zip(rows, facts, seeds, strict=True):
        if times[seed] > 1:
            known["key.student"] = f'"{row["key"]}"'


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
    arms = [{n: v for n, v in known.items() if n not in _OF_SEEDS} for known in facts]
    for arm, own in zip(arms, tuned, strict=True):
        arm |= {"tuned": "true"} if own else {}
    # A searched learning rate is no part of the setting, but two of them are two arms.
    settings = [
        {n: v for n, v in arm.items() if not _is_of_method(n) and not (own and n == LR)}
        for arm, own in zip(arms, tuned, strict=True)
    ]
    _part_teachers(settings, arms, facts)
    tell_apart(rows, settings, ("setting", "setting_differs"), _RIVALS)
    tell_apart(rows, arms, ("arm", "arm_differs"), (*_RIVALS, "method"))
    for row, known in zip(rows, facts, strict=True):
        row["teacher_key"] = known.get(TEACHER, "").strip('"')


_RIVALS = ("task", "layers", "generation")
"""Trials and reruns are no rivals of cells."""


def _is_of_method(name: str) -> bool:
    return name in _OF_METHOD or name.startswith("method.")


def _part_teachers(
    settings: Sequence[dict[str, str]],
    arms: Sequence[dict[str, str]],
    facts: Sequence[Mapping[str, str]],
) -> None:
    """Keep teachers apart that have one seed and are not the same: more than a seed differs."""
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    ids = [group_id(setting) for setting in settings]
    for name, known in zip(ids, facts, strict=True):
        seen[name][known.get("teacher.seed", "")].add(known.get(TEACHER, ""))
    for name, setting, arm, known in zip(ids, settings, arms, facts, strict=True):
        if any(len(keys) > 1 for keys in seen[name].values()):
            setting[TEACHER] = arm[TEACHER] = known.get(TEACHER, "")
