"""Which labels got which answers, and how well each class is told: counts and scores of classes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.tables.table import Body, Column, Table, cells, numbers, points

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.arms import TaskDepth
    from alpkd_pipeline.reporting.statistics.judge import LabelledPredictions

MOST_CLASSES = 12
"""With more of them the counts, their number squared, are left out."""


class ClassRow(NamedTuple):
    """What some runs of one arm answered to the rows of one label."""

    name: str  # the label
    counts: tuple[int, ...]  # how often each class was the answer, in all runs together
    # means over the runs, 0 to 1; precision is 0 where a run never gives this answer
    precision: float
    recall: float
    f1: float
    support: float  # rows of this label in one run


def class_rows(names: Sequence[str], runs: Sequence[LabelledPredictions]) -> list[ClassRow]:
    """A row for each label, in their order, from the answers of one or more runs."""
    classes = range(len(names))
    # (runs, labels, answers)
    counts = np.array([[[run.counts[i, j] for j in classes] for i in classes] for run in runs])
    right, given, said = counts.diagonal(axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)

    def share(wholes: np.ndarray) -> list[float]:
        return (right / np.maximum(1, wholes)).mean(axis=0).tolist()

    together, f1 = counts.sum(axis=0).tolist(), [2 * each for each in share(given + said)]
    support = given.mean(axis=0).tolist()
    found = (names, map(tuple, together), share(said), share(given), f1, support)
    return [ClassRow(*row) for row in zip(*found, strict=True)]


def confusion_tables(sources: Sources, at: TaskDepth) -> Iterator[Table]:
    """The arms of a classification and depth below one another, those whose runs have answers.

    One table, or one for each list of label names that runs of this task were made with.
    """
    bodies: dict[tuple[str, ...], list[Body]] = {}
    for arm in sources.by_task_depth[at]:
        runs = [sources.predictions[key] for key in arm["runs"] if key in sources.predictions]
        names = tuple(sources.students(arm)[0].run["task"]["label_names"])
        if runs and names:
            rows = cells(_columns(names), class_rows(names, runs))
            heading = f"{arm['label']}, {plural(len(runs), 'run')}"
            bodies.setdefault(names, []).append(Body(rows, heading))
    for names, found in bodies.items():
        counted = len(names) <= MOST_CLASSES
        said = "labels against answers, counts over all runs" if counted else "classes"
        yield Table(f"{sources.title(at)}: {said}", _columns(names), found, group="method")


def _columns(names: Sequence[str]) -> list[Column]:
    def count(j: int) -> Callable[[ClassRow], str]:
        return lambda row: f"{row.counts[j]:,}"

    counts = [numbers(f"answered {name}", count(j)) for j, name in enumerate(names)]
    return [
        Column("label", lambda row: row.name),
        *(counts if len(names) <= MOST_CLASSES else ()),
        numbers("precision", lambda row: points(row.precision), "right of those with this answer"),
        numbers("recall", lambda row: points(row.recall), "right of those with this label"),
        numbers("F1", lambda row: points(row.f1), "2 right / (with this label + with this answer)"),
        numbers("support", lambda row: f"{row.support:,.0f}", "dev rows with this label"),
    ]
