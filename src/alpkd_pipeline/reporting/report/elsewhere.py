"""Section 9: what the papers report, beside ours and never among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import size
from alpkd_pipeline.reporting.cost import total_cost
from alpkd_pipeline.reporting.published.published import published
from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Body,
    Cell,
    Column,
    Section,
    Table,
    meanings,
    text,
)
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.words import (
    MISSING,
    duration,
    known,
    listed,
    method_cell,
    number,
    points,
)

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


def cost_section(sources: Sources) -> Section:
    """Hours by device, passes of the teacher that the cache spared, and its bytes."""
    cost = total_cost(sources.evidence)
    order = ("teachers", "signals", "students")
    rows = [
        [
            Cell(what),
            Cell(device),
            Cell(f"{cost.counts[what, device]:,}"),
            Cell(duration(seconds)),
            Cell(duration(seconds / cost.counts[what, device])),
        ]
        for (what, device), seconds in sorted(
            cost.seconds.items(), key=lambda item: (order.index(item[0][0]), item[0][1])
        )
    ]
    columns = [Column("made"), Column("on"), Column("number", True), Column("time", True)]
    table = Table(
        f"Time on devices, {_counted(sources)}",
        [*columns, Column("each", True)],
        [Body(rows)],
    )
    total = f"Together {duration(sum(cost.seconds.values()))} of training and recording."
    blocks: list[Block] = [text(total), table] if rows else [text("Nothing was trained.")]
    if cost.cache_bytes:
        blocks.append(
            text(
                f"Students saw {cost.seen:,} examples with recorded signals of the teacher, which"
                f" was run on {cost.built_from:,} to record them: {max(0, cost.spared):,} passes of"
                f" the teacher were spared. The records take {size(cost.cache_bytes)}."
            )
        )
    return Section("cost", "What it cost", blocks)


def _counted(sources: Sources) -> str:
    """Whose time was added up."""
    if sources.evidence.sweep is not None:
        return "the cells of the sweep alone"
    return "trials and reruns included"


def budget_section(sources: Sources) -> Section | None:
    """One line for each study of each search, or no section."""
    searches = sources.evidence.searches
    studies = [(record, study) for record in searches for study in record["studies"]]
    if not studies:
        return None
    columns = [
        Column("method"),
        Column("task"),
        Column("layers", True),
        Column("search"),
        Column("trials", True, "finished"),
        Column("possible", True, "combinations that the method has in this space"),
        Column("scored on"),
        Column("best score", True),
        Column("best values"),
    ]
    rows = sorted(
        (_study(record, study) for record, study in studies),
        key=lambda row: (row[1].text, int(row[2].text), row[0].text, row[3].text),
    )
    blocks: list[Block] = [
        text(
            "Every method of a search was offered the same number of trials; one with fewer"
            " possibilities than that used them all."
        ),
        Table("Searches for hyper-parameters", columns, [Body(rows)]),
        *meanings(columns),
    ]
    if any(record.get("selection") == "dev" for record in searches):
        said = (
            "Where trials were scored on dev, the dev scores of the tuned students are optimistic."
        )
        blocks.append(text(said, "warning"))
    return Section("tuning", "Searches", blocks)


def _study(record: Any, study: Any) -> list[Cell]:
    best = study.get("best") or {}
    done = study.get("done", sum(trial.get("state") == "done" for trial in study["trials"]))
    values = ", ".join(f"{name} = {value}" for name, value in (best.get("values") or {}).items())
    if best and not values:
        values = "nothing to choose"
    on_dev = record.get("selection") == "dev"
    return [
        method_cell(str(study["method"]), str(study["method"])),
        Cell(str(study["task"])),
        Cell(str(study["layers"])),
        Cell(str(record["id"]), small=f"{record.get('sampler', '')}"),
        Cell(str(done)),
        Cell(number(study.get("possible"), 0)),
        Cell("dev (optimistic)" if on_dev else "holdout", tone="worse" if on_dev else ""),
        Cell(points(best.get("score"), metric=str(study.get("metric")))),
        Cell(values or "all trials failed", tone="code"),
    ]
