"""What the papers report on GLUE, to be shown beside our numbers and never in them.

Other teachers, other selections of the best run, other versions of everything: such numbers say
what was found elsewhere, and no test compares them with ours. `audit.py` asks what their own
differences are worth.
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
from alpkd_pipeline.tasks.glue import GLUE

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.pairing import Row

FILE = Path(__file__).parents[1] / "published" / "published.csv"
"""README.md beside it says where its numbers come from."""


def published() -> pd.DataFrame:
    """The published scores, one row for each.

    Columns: source, model, layers (NaN where a model has no depth), method, split (dev or test),
    task, metric (our names, empty where the source does not say), score in percent, rerun_of (of a
    repetition by others the source of the number that it repeats, else empty), note.
    """
    import pandas as pd

    real = dict.fromkeys(("score", "layers"), "float64")
    return pd.read_csv(FILE, dtype=real, keep_default_na=False, na_values={"layers": [""]})


def percent(score: float, plus: str = "") -> str:
    """A published score, or a difference, with the digits that it has: `72.1`, `60.65`."""
    return points(score / 100, 1 if score == round(score, 1) else 2, plus=plus)


def theirs(frame: pd.DataFrame, tasks: list[str], split: str = "dev") -> Table:
    """The scores of `published` on one split of some tasks: a body for each source, below each line
    those of others who repeated it.
    """
    frame = frame[(frame["split"] == split) & frame["task"].isin(tasks)]
    columns = [
        Column("method", lambda line: line["method"] + " (rerun)" * bool(line["rerun_of"])),
        numbers("layers", lambda line: number(line["layers"], 0)),
        Column("model", lambda line: line["model"]),
        *(numbers(task, partial(_score, task), GLUE[task].task.metrics[0]) for task in tasks),
        Column("remark", lambda line: Cell(line["note"], tone="quiet")),
    ]
    bodies = []
    repeated = frame["rerun_of"].where(frame["rerun_of"] != "", frame["source"])
    for source, rows in frame.groupby(repeated, sort=False):
        places = rows.groupby(["model", "layers", "method"], sort=False, dropna=False)
        lines = [_line(of) for _, place in places for _, of in place.groupby("source", sort=False)]
        bodies.append(Body(cells(columns, lines), heading=str(source)))
    return Table(f"Published {split} scores in percent", columns, bodies).without_empty()


def _line(of: pd.DataFrame) -> Row:
    """What the scores of one source and place share, and each score by its task."""
    line = of.iloc[0].to_dict()
    said = [line["source"]] if line["rerun_of"] else []
    said += [part for note in of["note"] for part in note.split("; ") if part]
    scores = of.set_index("task")[["score", "metric"]].to_dict("index")
    return line | {"note": "; ".join(dict.fromkeys(said)), "scores": scores}


def _score(task: str, line: Row) -> str:
    """The score; beside it its metric, where that is not the one that decides here."""
    found = line["scores"].get(task)
    if found is None:
        return MISSING
    decides = found["metric"] == GLUE[task].task.metrics[0]
    return percent(found["score"]) + ("" if decides else f" ({found['metric'] or '?'})")


def ours(sources: Sources, tasks: list[str]) -> Table:
    """Our means on the same tasks."""
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
    return Table("Our means over seeds, in percent", columns, bodies)
