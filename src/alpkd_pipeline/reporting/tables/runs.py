"""The runs behind a comparison, their settings and their means over seeds: frames and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.formats import millions, score_text, seconds_text
from alpkd_pipeline.reporting.frame import REGULAR
from alpkd_pipeline.reporting.store import teacher_model
from alpkd_pipeline.reporting.tables.average import teacher_means
from alpkd_pipeline.reporting.tables.measures import TIMES, measured, run_measures, timed_alike
from alpkd_pipeline.reporting.tables.table import (
    COLLAPSED,
    COLLAPSED_MEANS,
    MISSING,
    Body,
    Column,
    Table,
    TableCell,
    anchor,
    cells,
    depth,
    listed,
    number,
    number_or_none,
    numbers,
    points,
)
from alpkd_pipeline.store.diff import flat

if TYPE_CHECKING:
    import pandas as pd

    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.arms import Row
    from alpkd_pipeline.reporting.store import RunRecord

_SHARED = (
    *("task", "method", "layers", "teacher_layers", "teacher_seed", "metric", "teacher"),
    *("teacher_score", "parameters", "teacher_parameters", "selection", "differs"),
)
"""Columns that are the same in all runs of a group."""


def score_columns(df: pd.DataFrame) -> list[str]:
    """The columns of dev scores, `<split>.<metric>`, in their order."""
    return [str(name) for name in df.columns if "." in str(name)]


def students_table(df: pd.DataFrame) -> pd.DataFrame:
    """One row for each cell, in the order of `run_frame`; what no run has is left out."""
    cells = df[df["generation"] == REGULAR].reset_index(drop=True).drop(columns=["generation"])
    return cells if cells.empty else cells.dropna(axis="columns", how="all")


def grouped_table(df: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds, one row for each group of cells that differ in nothing but the seed.

    The shared columns, `seeds` (their number n), for each score `<score> mean` and `<score> std`
    (sample standard deviation, n - 1; missing for one seed), the means of what runs tell, as
    `seconds`, and of times (where most of the task were timed), and `group`.
    """
    groups = timed_alike(df[df["generation"] == REGULAR]).groupby("group", sort=False)
    means = groups[list(_SHARED)].first()
    means["seeds"] = groups["seed"].nunique()
    for name in score_columns(df):
        means[f"{name} mean"] = groups[name].mean()
        means[f"{name} std"] = groups[name].std()
    for name in (*run_measures(), *TIMES):
        means[name] = groups[name].mean()
    return means.reset_index()[[*means.columns, "group"]]


def means_table(sources: Sources, task: str) -> Table:
    """The means by all metrics: a row for each arm of one task, over all its seeds."""
    runs = timed_alike(sources.experiments[sources.experiments["task"] == task])
    scores = [name for name in score_columns(runs) if runs[name].notna().any()]
    # Every score as the primary one is: a seed counts once, whatever the number of its teachers.
    by_seed = runs.groupby(["arm", "seed"])[scores].mean().groupby("arm")
    means, deviations = by_seed.mean(), by_seed.std()
    sizes, taught = measured(runs), teacher_means(runs)
    depths = runs.groupby("arm")["teacher_layers"].first()
    names = runs.groupby("arm")["teacher"].unique()

    def layers(arm: Row) -> str:
        most = number_or_none(depths[arm["arm"]])
        return str(arm["layers"]) if most is None else f"{arm['layers']} of {most:.0f}"

    def score(name: str, arm: Row) -> str:
        mean, std = means[name][arm["arm"]], deviations[name][arm["arm"]]
        return (
            score_text(mean) if number_or_none(std) is None else f"{score_text(mean)} ± {std:.4f}"
        )

    def teacher(arm: Row) -> str:
        found = names[arm["arm"]]
        return str(found[0]) if len(found) == 1 else f"{len(found)} teachers"

    def speed_up(arm: Row) -> str:
        value = sizes[arm["arm"]]["speed_up"]
        return "-" if value is None else f"{value:.1f}x"

    columns = [
        Column("method", lambda arm: arm["method"]),
        numbers("layers", layers),
        numbers("seeds", lambda arm: str(arm["n"])),
        *(numbers(name, partial(score, name)) for name in scores),
        Column("teacher", teacher),
        numbers("teacher's score", lambda arm: score_text(taught.get(arm["arm"]))),
        numbers("parameters", lambda arm: millions(sizes[arm["arm"]]["parameters"])),
        numbers("seconds", lambda arm: seconds_text(sizes[arm["arm"]]["seconds"])),
        numbers("speed-up", speed_up),
        Column("spread over", lambda arm: arm["spread"]),
        Column("differs", lambda arm: arm["arm_differs"]),
    ]
    caption = f"{task}, all metrics: means over seeds"
    rows = cells(columns, (arm for arm in sources.arms if arm["task"] == task))
    return Table(caption, columns, [Body(rows)]).without_empty()


def list_tables(sources: Sources) -> tuple[Table | None, Table]:
    """Every run with what finds it again: teachers, if there are any, and students."""
    wanted = set(sources.experiments["teacher_key"])
    found = sorted(
        (record for record in sources.evidence.teachers.values() if record.key in wanted),
        key=lambda record: record.path.as_posix(),
    )
    columns = _list_columns(sources, teachers=True)
    teachers = Table("Teachers", columns, [Body(cells(columns, found))], id="list-of-teachers")
    columns = _list_columns(sources)
    bodies = list(_student_bodies(sources, columns))
    count = plural(sum(len(body.rows) for body in bodies), "student")
    caption = f"{count}, by depth, method and task"
    note = COLLAPSED_MEANS if any(sources.judge.collapsed.values()) else ""
    students = Table(caption, columns, bodies, id="list-of-students", tools=True, note=note)
    return teachers if found else None, students


def _student_bodies(sources: Sources, columns: Sequence[Column]) -> Iterator[Body]:
    """One body for each arm; the first of a method carries the method's heading."""
    arms = {(arm["layers"], arm["label"], arm["task"]): arm for arm in sources.arms}
    for layers in sources.depths:
        for label in sources.labels[layers]:
            name, heading_id = f"{label}, {depth(layers)}", sources.label_id(layers, label)
            for task in sources.tasks:
                arm = arms.get((layers, label, task))
                if arm is not None:
                    rows = cells(columns, sources.students(arm))
                    yield Body(rows, name, id=anchor("arm", arm["arm"]), heading_id=heading_id)
                    name = heading_id = ""


def _list_columns(sources: Sources, teachers: bool = False) -> list[Column]:
    def method(run: RunRecord) -> TableCell:
        params = run.run["params"]
        name = teacher_model(params) if teachers else params["method"]["name"]
        return TableCell(name, mark="" if teachers else name, id=anchor("run", run.key))

    def layers(run: RunRecord) -> str:
        of_teacher = run.run["identity"].get("teacher_layers")
        return setting_text(of_teacher if teachers else run.run["params"]["student"]["layers"])

    def teacher_seed(run: RunRecord) -> str:
        return setting_text(run.run["params"]["teacher"].get("seed"))

    def seed(run: RunRecord) -> str:
        return teacher_seed(run) if teachers else str(run.run["params"]["seed"])

    def setting_text(value: Any) -> str:
        return "?" if value is None else str(value)

    def score(run: RunRecord) -> str:
        mark = COLLAPSED if sources.judge.collapsed.get(run.key) else ""
        return points(run.primary_score, 2, run.primary_metric) + mark

    def commit(run: RunRecord) -> TableCell:
        found = str(run.provenance.get("git_commit") or "unknown")
        return TableCell(found[:8], tone="code", title=found)

    def folder(run: RunRecord) -> TableCell:
        small = "of a claim, without weights" if sources.of_claim(run.key) else ""
        return TableCell(run.folder, tone="code", small=small)

    return [
        Column("method", method),
        Column("task", lambda run: str(run.run["task"]["name"])),
        numbers("layers", layers),
        numbers("seed", seed),
        numbers("teacher's seed", teacher_seed),
        numbers("score", score),
        numbers("seconds", lambda run: number(run.metrics.get("seconds"), 0)),
        Column("folder", folder),
        Column("key", lambda run: TableCell(run.key[:12], tone="code", title=run.key)),
        Column("commit", commit),
        Column(
            "in MLflow",
            lambda run: TableCell(f"tags.key = '{run.key}'", tone="code"),
            meaning="paste this into the search field of MLflow's runs",
        ),
    ]


SHOWN = {
    "training.lr": "learning rate",
    "training.epochs": "epochs",
    "training.batch_size": "batch",
    "method.temperature": "T",
    "method.soft_scale": "soft scale",
    "method.beta": "β",
    "method.eta": "η",
    "method.lambda": "λ",
    "teacher.training.epochs": "teacher's epochs",
    "student.init": "start",
}
"""Parameter -> heading."""


def settings_table(sources: Sources) -> Table:
    """A row for each configuration, of all tasks and depths where it is the same."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for arm in sources.arms:
        run = sources.students(arm)[0]
        environment = run.environment
        libraries = environment.get("libraries") or {}
        installed = [name for name in ("torch", "transformers") if name in libraries]
        versions = [f"{name} {libraries[name]}" for name in installed]
        params = flat(run.run["params"]).items()
        known: dict[str, Any] = {name: value for name, value in params if name in SHOWN}
        known |= {"precision": environment.get("precision"), "versions": ", ".join(versions)}
        same = (arm["label"], *map(str, known.values()))
        row = rows.setdefault(same, {"arms": []})
        row["arms"].append(arm)
        row |= {**known, "command": run.run.get("command"), "arm": arm}
    columns = [
        Column("method", lambda f: TableCell(f["arm"]["label"], mark=f["arm"]["method"])),
        Column("students", lambda f: _students(f["arms"])),
        *(numbers(heading, partial(_value, name)) for name, heading in SHOWN.items()),
        Column("precision", partial(_value, "precision")),
        Column("versions", partial(_value, "versions")),
        Column("made by", lambda f: TableCell(_value("command", f), tone="code"), brief=False),
    ]
    return Table("Settings", columns, [Body(cells(columns, rows.values()))]).without_empty()


def _value(name: str, facts: Mapping[str, Any]) -> str:
    value = facts.get(name)
    if value in (None, ""):
        return MISSING
    return f"{value:g}" if isinstance(value, float) else str(value)


def _students(arms: list[Row]) -> str:
    """`mrpc and cola: 3 layers and 2 layers`, if every task has every depth; else each place."""
    tasks = dict.fromkeys(arm["task"] for arm in arms)
    depths = dict.fromkeys(arm["layers"] for arm in arms)
    if len(arms) == len(tasks) * len(depths):
        return f"{listed(tasks)}: {listed(map(depth, depths))}"
    return "; ".join(f"{arm['task']}: {depth(arm['layers'])}" for arm in arms)
