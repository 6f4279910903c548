"""Section 9: what the papers report, beside ours and never among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.published.published import published
from alpkd_pipeline.reporting.report.blocks import Block, Body, Cell, Column, Section, Table, text
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.words import MISSING, known, listed, number, points

if TYPE_CHECKING:
    import pandas as pd

_INTRO = (
    "Numbers of others on GLUE's dev splits, copied from where the table says. They come from other"
    " teachers, other students, other ways to choose the best run and other versions of everything,"
    " so they say what was found elsewhere; no test compares them with ours."
)


def published_section(sources: Sources) -> Section | None:
    """Two tables over the same tasks: theirs, then ours; no section without a task of GLUE."""
    theirs = published()
    tasks = [task for task in dict.fromkeys(theirs["task"]) if task in sources.tasks]
    if not tasks:
        return None
    theirs = theirs[theirs["task"].isin(tasks)]
    blocks: list[Block] = [
        text(_INTRO),
        text(_differs(sources)),
        _theirs(theirs, tasks),
        _ours(sources, tasks),
    ]
    return Section("published", "Published numbers", blocks)


def _differs(sources: Sources) -> str:
    students = sources.evidence.students
    models = {
        str(students[key].run["params"]["teacher"].get("model")) for key in sources.cells["key"]
    }
    chosen = listed(sorted(sources.cells["selection"].dropna().unique()))
    return (
        f"Ours: teacher {listed(sorted(models))}, best epoch chosen on {chosen}, mean over seeds."
        " Theirs: the model named in each row, chosen in their own way."
    )


def _theirs(frame: pd.DataFrame, tasks: list[str]) -> Table:
    metric = frame.drop_duplicates("task").set_index("task")["metric"]
    names = ["source", "model", "layers", "method", "note"]
    bodies = []
    for source, rows in frame.groupby("source", sort=False):
        lines = []
        for found, scores in rows.groupby(names, sort=False):
            _, model, layers, method, note = found
            by_task = dict(zip(scores["task"], scores["score"], strict=True))
            head = [Cell(str(method)), Cell(str(layers)), Cell(str(model))]
            lines.append(
                [*head, *(_score(by_task.get(t)) for t in tasks), Cell(str(note), tone="quiet")]
            )
        bodies.append(Body(lines, heading=str(source)))
    columns = [Column("method"), Column("layers", True), Column("model")]
    columns += [Column(task, True, str(metric[task])) for task in tasks]
    return Table("Published dev scores in percent", [*columns, Column("remark")], bodies)


def _score(value: Any) -> Cell:
    return Cell(number(value, 1)) if known(value) is not None else Cell(MISSING)


def _ours(sources: Sources, tasks: list[str]) -> Table:
    bodies = []
    for layers in sources.depths:
        lines = []
        for label in sources.labels[layers]:
            here = {
                arm["task"]: arm
                for arm in sources.arms
                if arm["layers"] == layers and arm["label"] == label
            }
            scores = [_own(sources, here.get(task)) for task in tasks]
            if any(task in here for task in tasks):
                lines.append([Cell(label), Cell(str(layers)), *scores])
        bodies.append(Body(lines))
    columns = [Column("method"), Column("layers", True), *(Column(task, True) for task in tasks)]
    return Table("This store's means over seeds, in percent", columns, bodies)


def _own(sources: Sources, arm: Any) -> Cell:
    if arm is None:
        return Cell(MISSING)
    return Cell(points(arm["mean"], metric=arm["metric"]), href=sources.runs_of(arm["runs"]))
