"""Means and ranks over tasks, as the papers report them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import fmean
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.statistics.scores import ranks
from alpkd_pipeline.reporting.statistics.summary import seed_summary
from alpkd_pipeline.reporting.tables.measures import TIMES, measures
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd


TEACHER = "teacher"
CONSTANT = "constant"
NUMBERS = ("n", "mean", "std", "low", "high")
"""What `seed_summary` finds."""
_RUN_NAME = r"^.+?-teacher-(?P<model>.+?)-s\d+(?:-[0-9a-f]{4})?$"


def new_line(kind: str, label: Hashable, task: Hashable, metric: str) -> dict[str, Any]:
    """A line of the main tables of which no number is known yet."""
    said = {"kind": kind, "method": kind, "label": label, "task": task, "metric": metric}
    unknown = dict.fromkeys((*NUMBERS, "kept", "teacher_mean", *measures()))
    return said | unknown | {"bold": False, "per_seed": {}, "runs": []}


def percent(score: float | None, teacher: float | None, metric: str = "") -> float | None:
    """The share of the teacher's score that is kept, in percent; none of an error, none of 0, none
    by a score below 0."""
    if score is None or score < 0 or teacher is None or not teacher > 0 or is_error(metric):
        return None
    return 100 * score / teacher


def teacher_means(cells: pd.DataFrame) -> dict[str, float]:
    """Arm -> mean score of its teachers, each teacher once; arms without one are left out."""
    known = cells[cells["teacher_score"].notna()].drop_duplicates(["arm", "teacher_key"])
    return {str(k): float(v) for k, v in known.groupby("arm")["teacher_score"].mean().items()}


def teacher_lines(cells: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One line for each teacher and task of one number of layers, over the teachers' seeds.

    The label is `teacher`, and says which one where the students have teachers that differ in more
    than the seed.
    """
    known = cells[cells["teacher_score"].notna()].drop_duplicates(["task", "teacher_key"])
    for (task, label), rows in known.groupby(["task", _labels(known)], sort=False):
        # One whose seed is not known gets a number below 0 of its own.
        seeds = rows["teacher_seed"].astype("float64").tolist()
        seeds = [-1 - i if math.isnan(seed) else int(seed) for i, seed in enumerate(seeds)]
        scores = dict(zip(seeds, rows["teacher_score"].tolist(), strict=True))
        seen = seed_summary(list(scores.values()))
        metric = rows["metric"].iloc[0]
        line = new_line(TEACHER, label, task, metric) | asdict(seen)
        parameters = rows["teacher_parameters"].astype("float64").mean()
        if not math.isnan(parameters):
            line |= dict.fromkeys(("parameters", "teacher_parameters"), parameters)
            line["compression"] = 1.0
        yield line | {
            "kept": percent(seen.mean, seen.mean, metric),
            "teacher_mean": seen.mean,
            "per_seed": scores,
            "runs": rows["teacher_key"].tolist(),
        }


def _labels(known: pd.DataFrame) -> pd.Series[str]:
    """`teacher`; with the model where there are several, or where more is to be said: what else
    differs from others of the model, and the key where a seed is no name.
    """
    # The model in a teacher's name: `demo` in `mrpc-teacher-demo-s0-9f31`.
    names = known["teacher"].astype(str)
    models = names.str.extract(_RUN_NAME)["model"].fillna(names)
    differs = known["teacher_differs"]
    parts = [known["task"], models, differs, known["teacher_seed"]]
    keyed = known.groupby(parts, dropna=False)["teacher_key"].transform("nunique") > 1
    named = models.mask(keyed, models + ", " + known["teacher_key"].str[:8])
    named = named.mask(differs != "", named + ", " + differs)
    several = models.nunique() > 1
    return (TEACHER + " (" + named + ")").where(keyed | several | (differs != ""), TEACHER)


AVERAGE = "Average"
"""What stands in the place of a task's name; no task's name has a capital letter."""

_Lines = Sequence[Mapping[str, Any]]


def average_name(line: Mapping[str, Any]) -> str:
    """The heading of averages: `average (3 tasks)`, and of what where metrics are mixed."""
    metrics = str(line["metric"]).split()
    mixed = f", {' and '.join(metrics)} mixed" if len(metrics) > 1 else ""
    return f"average ({line['tasks']} tasks{mixed})"


def averages(lines: _Lines) -> dict[str, list[dict[str, Any]]]:
    """The average line of each row of one table, if its students share at least two tasks.

    Each label has one line, or none if it is of a teacher that lacks one of the tasks. Its `mean`
    is that of the row's means over the `tasks` that all students of the table have, but for those
    that an error decides; `std`, `low` and `high` are over the seeds' own averages, and only there
    where all tasks have the same seeds; `rank` is the mean place among the students, 1 the best,
    ties shared.
    """
    rows: dict[str, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for line in lines:
        rows[line["label"]][line["task"]] = line
    labels = {line["label"]: None for line in lines if line["kind"] == "student"}
    students = {label: rows[label] for label in labels}
    # An error has a unit of its own.
    errors = {line["task"] for line in lines if is_error(line["metric"])}
    tasks = [task for task in shared_tasks(students) if task not in errors]
    if len(tasks) < 2:
        return {}
    places = mean_ranks({label: [row[t]["mean"] for t in tasks] for label, row in students.items()})
    return {
        label: [_average([row[task] for task in tasks]) | {"rank": places.get(label)}]
        for label, row in rows.items()
        if all(task in row for task in tasks)
    }


def shared_tasks(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The tasks that every row has, in the order of the first row."""
    first, *others = rows.values() or [{}]
    return [task for task in first if all(task in row for row in others)]


def mean_ranks(scores: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Each row's mean place over tasks, 1 the best; rows of equal score share their places.

    Every row has one score for each task, in the same order.
    """
    # Means of the same answers may differ in their last digits.
    tasks = zip(*scores.values(), strict=True)
    of_tasks = [ranks([-round(score, 10) for score in task]) for task in tasks]
    return dict(zip(scores, map(fmean, zip(*of_tasks, strict=True)), strict=True))


def _average(lines: _Lines) -> dict[str, Any]:
    first, mean = lines[0], _mean(lines, "mean")
    collapsed = sum(line.get("collapsed", 0) for line in lines)
    # Times that were taken in different places have no mean.
    alike = len({line.get("timed_on", "") for line in lines}) == 1
    metric = " ".join(dict.fromkeys(line["metric"] for line in lines))
    return {
        **new_line(first["kind"], first["label"], AVERAGE, metric),
        "method": first["method"],
        "tasks": len(lines),
        **_over_seeds([line["per_seed"] for line in lines]),
        "mean": mean,
        "collapsed": collapsed,
        "kept": None if collapsed else percent(mean, _mean(lines, "teacher_mean")),
        **{n: _mean(lines, n) if alike or n not in TIMES else None for n in measures()},
        "runs": [key for line in lines for key in line["runs"]],
    }


def _over_seeds(scores: Sequence[Mapping[int, float]]) -> dict[str, Any]:
    """Spread of the seeds' own averages; nothing without seeds, or where those of tasks differ."""
    seeds = set(scores[0]).intersection(*scores)
    if not seeds or any(set(of_task) != seeds for of_task in scores):
        return {"n": len(seeds)}
    own = [math.fsum(of_task[seed] for of_task in scores) / len(scores) for seed in sorted(seeds)]
    return asdict(seed_summary(own))


def _mean(lines: _Lines, name: str) -> float | None:
    """The mean, where every value is known."""
    known = [line[name] for line in lines if line[name] is not None]
    return math.fsum(known) / len(known) if len(known) == len(lines) else None
