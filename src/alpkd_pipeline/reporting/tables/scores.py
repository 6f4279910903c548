"""The main table of a comparison: methods against tasks, one table for each number of layers.

First as lines, one for each number, then as tables to be read. In the lines scores are in the
metric's own unit; percent only where something is kept of the teacher.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.statistics.arms import Row as Arm
from alpkd_pipeline.reporting.tables.average import (
    AVERAGE,
    CONSTANT,
    NUMBERS,
    TEACHER,
    average_name,
    averages,
    new_line,
    percent,
    teacher_lines,
    teacher_means,
)
from alpkd_pipeline.reporting.tables.measures import (
    Measure,
    measured,
    measures,
    table_measures,
    timed_alike,
)
from alpkd_pipeline.reporting.tables.table import (
    COLLAPSED,
    COLLAPSED_MEANS,
    MISSING,
    Body,
    Column,
    Table,
    TableCell,
    cells,
    depth,
    number,
    number_or_none,
    numbers,
    plus_minus,
    points,
)
from alpkd_pipeline.tasks.metrics import is_error

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources

Line = dict[Any, Any]
"""One number with everything around it."""

_FIRST = ("layers", "row", "label", "kind", "method", "task", "metric")
BEFORE_MEASURES = (*_FIRST, *NUMBERS, "bold", "kept", "tasks", "rank")
_REAL = ("mean", "std", "low", "high", "kept", "rank")


def main_lines(
    runs: pd.DataFrame,
    table: Sequence[Arm],
    bests: Sequence[Arm],
    constants: Mapping[str, float] | None = None,
    collapsed: Collection[str] = (),
) -> list[Line]:
    """Every number of the main tables on a line of its own.

    Args:
        runs: rows of `run_frame` that count.
        table: of `arms(runs)`.
        bests: of `best`.
        constants: task -> the score of whoever answers every row alike.
        collapsed: the keys of runs that say the same of every row.

    Returns:
        What `BEFORE_MEASURES` names, the measures and `runs`: for each number of layers (deepest
        first) the teacher's lines, those of the methods in the order of the methods' table, those
        of the constants; `row` counts the rows of a table. `n`, `mean`, `std`, `low`, `high` over
        seeds; `bold` as `best` says; `kept` percent of the teacher's score, none where runs have
        `collapsed`, which says how many. A line whose `task` is `Average` follows each row where at
        least two tasks are shared: see `averages`; only there `tasks` and `rank` are filled. `runs`
        are the keys behind the number.

    Raises:
        ValueError: two arms of one task and depth have the same label.
    """
    bold = {arm["arm"] for arm in bests if arm["bold"]}
    students = list(_student_lines(timed_alike(runs), table, bold, collapsed))
    lines: list[Line] = []
    for layers in sorted({arm["layers"] for arm in table}, reverse=True):
        here = runs[runs["layers"] == layers]
        same = [
            new_line(CONSTANT, "larger class or mean", task, metric) | {"mean": constants[task]}
            for task, metric in dict(zip(here["task"], here["metric"], strict=True)).items()
            if constants and task in constants
        ]
        of_methods = (line for line in students if line["layers"] == layers)
        lines += _in_rows([*teacher_lines(here), *of_methods, *same], layers)
    return lines


def main_frame(lines: Sequence[Line]) -> pd.DataFrame:
    """The lines of `main_lines` as main.csv has them."""
    import pandas as pd

    frame = pd.DataFrame(lines, columns=[*BEFORE_MEASURES, *measures(), "runs"])
    return frame.astype(dict.fromkeys([*_REAL, *measures()], "float64"))


def _student_lines(
    runs: pd.DataFrame, table: Sequence[Arm], bold: set[str], collapsed: Collection[str]
) -> Iterator[Line]:
    of_arm, teachers = measured(runs), teacher_means(runs)
    timed = runs[runs["latency_ms"].notna()]
    places = dict(zip(timed["arm"], timed["timed_on"], strict=True))
    for row in table:
        arm, same = row["arm"], len(set(row["runs"]) & set(collapsed))
        yield {
            **row,
            "kind": "student",
            "bold": arm in bold,
            "collapsed": same,
            "kept": None if same else percent(row["mean"], teachers.get(arm), row["metric"]),
            "teacher_mean": teachers.get(arm),
            "timed_on": places.get(arm, ""),
            **of_arm[arm],
        }


def _in_rows(lines: list[Line], layers: int) -> Iterator[Line]:
    """Lines in the order of a table's rows, each row followed by its average."""
    times = Counter((line["label"], line["task"]) for line in lines)
    for (label, task), count in times.items():
        if count > 1:
            raise ValueError(f"two rows of {layers} layers are called {label} on {task}")
    means = averages(lines)
    order = {name: place for place, name in enumerate((TEACHER, *METHODS))} | {CONSTANT: 10**6}
    labels = dict.fromkeys((line["label"], line["method"]) for line in lines)
    ranked = sorted(labels, key=lambda found: (order.get(found[1], len(order)), found))
    for row, (label, _) in enumerate(ranked):
        of_row = [line for line in lines if line["label"] == label]
        for line in [*of_row, *means.get(label, [])]:
            yield {**line, "layers": layers, "row": row}


Row = dict[str, Line]
"""The lines of one row by their tasks, the average among them."""


def score_tables(
    lines: Sequence[Line], sources: Sources | None = None
) -> Iterator[tuple[str, Table]]:
    """A table for each number of layers under its name, in the order of the lines.

    Without sources scores lead nowhere, and it is not known how deep the teachers are.
    """
    for layers in dict.fromkeys(line["layers"] for line in lines):
        name = depth(layers, sources.teacher_layers(layers) if sources else None)
        here = [line for line in lines if line["layers"] == layers]
        yield name, _table(here, layers, name, sources)


def _table(lines: list[Line], layers: int, name: str, sources: Sources | None) -> Table:
    rows: dict[int, Row] = {}
    for line in lines:
        rows.setdefault(line["row"], {})[line["task"]] = line
    metric = {line["task"]: str(line["metric"]) for line in lines if line["task"] != AVERAGE}
    counts = {int(line["n"]) for line in lines if line["kind"] == "student"}
    columns = [Column("method", _method)]
    for task in sorted(metric):
        columns.append(numbers(task, partial(_scored, task, counts, sources), metric[task]))
    over = [line for line in lines if line["task"] == AVERAGE]
    if over:
        said = "over the tasks that all methods of the table have"
        scored = partial(_scored, AVERAGE, counts, sources)
        columns.append(numbers(average_name(over[-1]), scored, said))
    columns += _of_models(len(metric))
    students = [line for line in lines if line["kind"] == "student" and line["task"] != AVERAGE]
    note = COLLAPSED_MEANS if any(line.get("collapsed") for line in lines) else ""
    alone = _alone(layers, metric, {int(line["n"]) for line in students})
    return Table(
        f"Students of {name}: {_seeds(counts)}",
        columns,
        [Body(cells(columns, [row]), tone=_first(row)["kind"]) for row in rows.values()],
        id=f"{layers}-layers",
        alone=f"{alone} {note}".strip(),
        note=note,
    ).without_empty()


def _of_models(tasks: int) -> list[Column]:
    """What follows the scores; nothing is kept of an average over tasks that is not there."""

    def of_measure(measure: Measure) -> Callable[[Row], str]:
        return lambda row: (
            measure.text(row.get(AVERAGE, _first(row)).get(measure.name))
            if measure.in_teacher_rows or _is_student(row)
            else MISSING
        )

    def retention_text(row: Row) -> str:
        # A share of one task's score says nothing of a row that stands for several.
        line = row.get(AVERAGE, _first(row) if tasks == 1 else {})
        return number(line.get("kept")) if _is_student(row) else MISSING

    return [
        numbers("kept", retention_text, "share of the teacher's score, in percent", brief=False),
        numbers(
            "rank",
            lambda row: number(row.get(AVERAGE, {}).get("rank")),
            "mean place among the students over the tasks, 1 is the best",
        ),
        *(numbers(m.heading, of_measure(m), m.meaning, m.brief) for m in table_measures()),
    ]


def _first(row: Row) -> Line:
    return next(iter(row.values()))


def _is_student(row: Row) -> bool:
    return bool(_first(row)["kind"] == "student")


def _method(row: Row) -> TableCell:
    first = _first(row)
    return TableCell(str(first["label"]), mark=str(first["method"]) if _is_student(row) else "")


def _scored(task: str, counts: set[int], sources: Sources | None, row: Row) -> TableCell:
    """A score of a task; the number of seeds stands below it where it is not the same."""
    line = row.get(task)
    if line is None:
        return TableCell(MISSING)
    differ = len(counts) > 1 or not _is_student(row)
    below = [f"n = {int(line['n'])}"] if differ and number_or_none(line["n"]) else []
    below += [f"last epoch {last}"] if (last := _last(line, sources)) else []
    return TableCell(
        plus_minus(line["mean"], line["std"], line["metric"])
        + (COLLAPSED if line.get("collapsed") else ""),
        href=_link(line, sources) if sources else "",
        small="; ".join(below),
        strong=bool(line["bold"]),
    )


def _last(line: Line, sources: Sources | None) -> str:
    """The score after the last epoch, where it is not the best one's in all runs."""
    if sources is None or line["kind"] != "student" or line["task"] == AVERAGE:
        return ""
    last = [sources.last_epoch.get(key) for key in line["runs"]]
    known_scores = [score for score in last if score is not None]
    if len(known_scores) < len(last) or line["n"] is None:
        return ""
    return points(math.fsum(known_scores) / len(last), metric=line["metric"])


def _link(line: Line, sources: Sources) -> str:
    if line["task"] == AVERAGE and line["kind"] == "student":
        return f"#{sources.label_id(int(line['layers']), str(line['label']))}"
    return sources.runs_of(line["runs"])


def _seeds(counts: set[int]) -> str:
    if len(counts) == 1:
        (n,) = counts
        return "one seed each, no spread is known" if n == 1 else f"{n} seeds each"
    return "the number of seeds n differs and stands with each score"


def _alone(layers: int, metric: dict[str, str], counts: set[int]) -> str:
    told = ", ".join(f"{task} {metric[task]}" for task in sorted(metric))
    but = ", errors in the unit of the labels" if any(map(is_error, metric.values())) else ""
    least, most = min(counts), max(counts)
    seeds = plural(most, "seed") if least == most else f"{least} to {most} seeds"
    return (
        f"Students of {layers} layers on the dev splits, in percent{but} ({told}): mean ± standard"
        f" deviation over {seeds}. Bold: better than every other student of the column, by t tests"
        " over seeds corrected for all pairs of the columns, p < 0.05."
    )
