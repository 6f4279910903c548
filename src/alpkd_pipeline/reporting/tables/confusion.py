"""Which labels got which answers, and how well each class is told: counts and scores of classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.tables.table import Body, Column, Table, cells, numbers, points

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.judge import Answers
    from alpkd_pipeline.reporting.statistics.pairing import Place

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


def class_rows(names: Sequence[str], runs: Sequence[Answers]) -> list[ClassRow]:
    """A row for each label, in their order, from the answers of one or more runs."""
    found = [run.counts for run in runs]
    together, classes = sum(found, Counter[tuple[float, float]]()), range(len(names))
    rows = []
    for i, name in enumerate(names):
        right = [cells[i, i] for cells in found]
        given = [sum(cells[i, j] for j in classes) for cells in found]
        said = [sum(cells[j, i] for j in classes) for cells in found]
        precision, recall = _mean_share(right, said), _mean_share(right, given)
        f1 = 2 * _mean_share(right, [a + b for a, b in zip(given, said, strict=True)])
        counts = tuple(together[i, j] for j in classes)
        rows.append(ClassRow(name, counts, precision, recall, f1, fmean(given)))
    return rows


def _mean_share(parts: Sequence[int], wholes: Sequence[int]) -> float:
    return fmean(part / max(1, whole) for part, whole in zip(parts, wholes, strict=True))


def confusion_tables(sources: Sources, place: Place) -> Iterator[Table]:
    """The arms of a classification and depth below one another, those whose runs have answers.

    One table, or one for each list of label names that runs of this task were made with.
    """
    bodies: dict[tuple[str, ...], list[Body]] = {}
    for arm in sources.by_place[place]:
        runs = [sources.answers[key] for key in arm["runs"] if key in sources.answers]
        names = tuple(sources.students(arm)[0].run["task"]["label_names"])
        if runs and names:
            rows = cells(_columns(names), class_rows(names, runs))
            heading = f"{arm['label']}, {plural(len(runs), 'run')}"
            bodies.setdefault(names, []).append(Body(rows, heading))
    for names, found in bodies.items():
        said = "labels against answers, counts over all runs" if _counted(names) else "classes"
        yield Table(f"{sources.title(place)}: {said}", _columns(names), found, group="method")


def _counted(names: Sequence[str]) -> bool:
    return len(names) <= MOST_CLASSES


def _columns(names: Sequence[str]) -> list[Column]:
    def count(j: int) -> Callable[[ClassRow], str]:
        return lambda row: f"{row.counts[j]:,}"

    counts = [numbers(f"answered {name}", count(j)) for j, name in enumerate(names)]
    return [
        Column("label", lambda row: row.name),
        *(counts if _counted(names) else ()),
        numbers("precision", lambda row: points(row.precision), "right of those with this answer"),
        numbers("recall", lambda row: points(row.recall), "right of those with this label"),
        numbers("F1", lambda row: points(row.f1), "2 right / (with this label + with this answer)"),
        numbers("support", lambda row: f"{row.support:,.0f}", "dev rows with this label"),
    ]
