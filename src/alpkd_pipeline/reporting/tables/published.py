"""What the papers report on GLUE's dev splits, to be shown beside our numbers and never in them.

Other teachers, other selections of the best run, other versions of everything: such numbers say
what was found elsewhere, and no test compares them with ours.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Cell,
    Column,
    Table,
    cells,
    number,
    numbers,
    points,
)

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.pairing import Row

FILE = Path(__file__).parents[1] / "published" / "published_dev.csv"
"""README.md beside it says where its numbers come from."""


def published() -> pd.DataFrame:
    """The published dev scores, one row for each.

    Columns: source, model, layers, method, task, metric (our names), score in percent, note.
    """
    import pandas as pd

    return pd.read_csv(FILE, dtype={"score": "float64", "layers": "int64"}, keep_default_na=False)


def theirs(frame: pd.DataFrame, tasks: list[str]) -> Table:
    """The published scores, of `published`, on some tasks: a body for each source."""
    metric = dict(zip(frame["task"], frame["metric"], strict=True))
    names = ["source", "model", "layers", "method", "note"]
    columns = [
        Column("method", lambda row: row["method"]),
        numbers("layers", lambda row: str(row["layers"])),
        Column("model", lambda row: row["model"]),
        *(numbers(task, partial(_score, task), metric[task]) for task in tasks),
        Column("remark", lambda row: Cell(row["note"], tone="quiet")),
    ]
    bodies = []
    for source, rows in frame.groupby("source", sort=False):
        lines = [
            dict(zip(names, line, strict=True)) | {"scores": of.set_index("task")["score"]}
            for line, of in rows.groupby(names, sort=False)
        ]
        bodies.append(Body(cells(columns, lines), heading=str(source)))
    return Table("Published dev scores in percent", columns, bodies)


def _score(task: str, row: Row) -> str:
    return number(row["scores"].get(task))


def ours(sources: Sources, tasks: list[str]) -> Table:
    """This store's means on the same tasks."""
    arms = {(arm["layers"], arm["label"], arm["task"]): arm for arm in sources.arms}

    def score(task: str, place: tuple[int, str]) -> Cell:
        arm = arms.get((*place, task))
        if arm is None:
            return Cell(MISSING)
        return Cell(points(arm["mean"], metric=arm["metric"]), href=sources.runs_of(arm["runs"]))

    columns = [
        Column("method", lambda place: place[1]),
        numbers("layers", lambda place: str(place[0])),
        *(numbers(task, partial(score, task)) for task in tasks),
    ]
    bodies = []
    for layers in sources.depths:
        places = [(layers, label) for label in sources.labels[layers]]
        there = [place for place in places if any((*place, task) in arms for task in tasks)]
        bodies.append(Body(cells(columns, there)))
    return Table("This store's means over seeds, in percent", columns, bodies)
