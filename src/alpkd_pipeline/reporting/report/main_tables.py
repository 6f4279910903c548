"""Section 2: the main table of every depth, methods against tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Body,
    Cell,
    Column,
    Heading,
    Section,
    Table,
    meanings,
    text,
)
from alpkd_pipeline.reporting.report.sources import Row, Sources
from alpkd_pipeline.reporting.report.words import (
    MISSING,
    depth,
    known,
    method_cell,
    number,
    plus_minus,
)
from alpkd_pipeline.reporting.statistics.summary import millions
from alpkd_pipeline.reporting.tables.average import AVERAGE, average_name

if TYPE_CHECKING:
    import pandas as pd

_INTRO = (
    "Dev scores in percent, mean ± sample standard deviation over seeds. A score is bold only where"
    " it is the best of its column and shown to be better than every other method there by paired"
    " tests over the seeds (Holm-corrected). Every score leads to its runs."
)
_MODEL = (
    Column("kept", True, "share of the teacher's score, in percent"),
    Column("rank", True, "mean place among the students over the tasks, 1 is the best"),
    Column("parameters", True),
    Column("smaller", True, "the teacher's parameters over the student's"),
    Column("faster", True, "the teacher's median time for one example over the student's"),
)


def main_tables(sources: Sources) -> Section:
    """A table for each number of layers."""
    blocks: list[Block] = [text(_INTRO + sources.on_errors)]
    for layers in sources.depths:
        name = depth(layers, sources.teacher_layers(layers))
        table = sources.main[sources.main["layers"] == layers]
        shown = _table(sources, table, name)
        blocks += [Heading(name), shown, *meanings(shown.columns)]
    return Section("scores", "Scores", blocks)


def _table(sources: Sources, table: pd.DataFrame, name: str) -> Table:
    lines: list[Row] = table.to_dict("records")
    tasks = [t for t in dict.fromkeys(line["task"] for line in lines) if t != AVERAGE]
    metric = {line["task"]: line["metric"] for line in lines}
    shown = [Column(str(task), True, str(metric[task])) for task in sorted(tasks)]
    averaged = [line for line in lines if line["task"] == AVERAGE]
    if averaged:
        over = int(averaged[-1]["tasks"])
        said = "over the tasks that all methods of the table have"
        shown.append(Column(average_name(over), True, said))
    rows: dict[int, dict[str, Row]] = {}
    for line in lines:
        rows.setdefault(line["row"], {})[line["task"]] = line
    names = [*sorted(tasks), *([AVERAGE] if averaged else [])]
    counts = {int(line["n"]) for line in lines if line["kind"] == "student"}
    bodies = [
        Body([_row(sources, row, names, counts)], tone=next(iter(row.values()))["kind"])
        for row in rows.values()
    ]
    model = [c for i, c in enumerate(_MODEL) if _said(bodies, len(shown) + 1 + i)]
    kept = [0, *range(1, len(shown) + 1)]
    kept += [len(shown) + 1 + i for i, c in enumerate(_MODEL) if c in model]
    return Table(
        caption=f"Students of {name}: {_seeds(counts)}",
        columns=[Column("method"), *shown, *model],
        bodies=[Body([[row[i] for i in kept] for row in b.rows], tone=b.tone) for b in bodies],
    )


def _seeds(counts: set[int]) -> str:
    if len(counts) == 1:
        (n,) = counts
        return "one seed each, no spread is known" if n == 1 else f"{n} seeds each"
    return "the number of seeds n differs and stands below each score"


def _said(bodies: list[Body], place: int) -> bool:
    """Whether a column says anything."""
    return any(row[place].text != MISSING for body in bodies for row in body.rows)


def _row(sources: Sources, row: dict[str, Row], names: list[str], counts: set[int]) -> list[Cell]:
    first = next(iter(row.values()))
    label = str(first["label"])
    student = first["kind"] == "student"
    head = method_cell(label, str(first["method"])) if student else Cell(label)
    cells = [head, *(_score(sources, row.get(name), counts) for name in names)]
    # A share of one task's score says nothing of a row that stands for several.
    average = row.get(AVERAGE, first if len(names) == 1 else {})
    sized = average or first
    return [
        *cells,
        Cell(number(average.get("kept"), 1)) if student else Cell(MISSING),
        Cell(number(average.get("rank"), 1)),
        Cell(millions(known(sized.get("parameters"))).replace("-", MISSING)),
        Cell(number(sized.get("compression"), 1, "×")) if student else Cell(MISSING),
        Cell(number(sized.get("speed_up"), 1, "×")) if student else Cell(MISSING),
    ]


def _score(sources: Sources, line: Row | None, counts: set[int]) -> Cell:
    if line is None:
        return Cell(MISSING)
    student = line["kind"] == "student"
    if line["task"] == AVERAGE and student:
        href = "#" + sources.label_id(int(line["layers"]), str(line["label"]))
    else:
        href = sources.runs_of(line["runs"]) if line["runs"] else ""
    differ = len(counts) > 1 or not student
    return Cell(
        plus_minus(line["mean"], line["std"], line["metric"]),
        href=href,
        small=f"n = {int(line['n'])}" if differ and known(line["n"]) else "",
        strong=bool(line["bold"]),
    )
