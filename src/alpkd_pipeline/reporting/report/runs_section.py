"""Section 12: the list of all runs that the numbers come from, and the methods' sources."""

from __future__ import annotations

from typing import Any

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import plural
from alpkd_pipeline.reporting.report.blocks import (
    Block,
    Body,
    Cell,
    Column,
    Facts,
    Heading,
    Section,
    Table,
    text,
)
from alpkd_pipeline.reporting.report.sources import Sources
from alpkd_pipeline.reporting.report.words import anchor, depth, known, number, points
from alpkd_pipeline.reporting.store import RunRecord

_COLUMNS = (
    Column("method"),
    Column("task"),
    Column("layers", True),
    Column("seed", True),
    Column("teacher's seed", True),
    Column("score", True),
    Column("seconds", True),
    Column("folder"),
    Column("key"),
    Column("commit"),
    Column("in MLflow", title="paste this into the search field of MLflow's runs"),
)


def runs_section(sources: Sources) -> Section:
    """Teachers, then students by depth, method and task; then where the methods come from."""
    students = _students(sources)
    blocks: list[Block] = [text("Every number above leads here.")]
    teachers = _teachers(sources)
    if teachers:
        blocks += [Heading("Teachers"), _table("Teachers", [Body(teachers)], "list-of-teachers")]
    count = sum(len(body.rows) for body in students)
    blocks += [
        Heading("Students"),
        _table(
            f"{plural(count, 'student')}, by depth, method and task", students, "list-of-students"
        ),
        Heading("Methods"),
        Facts([(name, (Cell(_source(name)),)) for name in sources.methods]),
    ]
    return Section("runs", "The runs", blocks)


def _table(caption: str, bodies: list[Body], name: str) -> Table:
    return Table(caption, _COLUMNS, bodies, id=name, tools=name == "list-of-students")


def _students(sources: Sources) -> list[Body]:
    """One body for each arm; the first of a method carries the method's heading."""
    bodies = []
    arms = {(int(a["layers"]), str(a["label"]), str(a["task"])): a for a in sources.arms}
    for layers in sources.depths:
        for label in sources.labels[layers]:
            name, heading_id = f"{label}, {depth(layers)}", sources.label_id(layers, label)
            for task in sources.tasks:
                arm = arms.get((layers, label, task))
                if arm is not None:
                    rows = [_student(sources, key) for key in _by_seed(sources, arm["runs"])]
                    bodies.append(Body(rows, anchor("arm", arm["arm"]), name, "", heading_id))
                    name = heading_id = ""
    return bodies


def _by_seed(sources: Sources, keys: list[str]) -> list[str]:
    students = sources.evidence.students
    return sorted(keys, key=lambda key: int(students[key].run["params"]["seed"]))


def _student(sources: Sources, key: str) -> list[Cell]:
    record = sources.evidence.students[key]
    params = record.run["params"]
    layers, teacher = params["student"]["layers"], params["teacher"].get("seed")
    return _run(sources, record, params["method"]["name"], layers, params["seed"], teacher)


def _teachers(sources: Sources) -> list[list[Cell]]:
    wanted = set(sources.cells["teacher_key"])
    found = [t for t in sources.evidence.teachers.values() if t.key in wanted]
    found.sort(key=lambda teacher: teacher.path.as_posix())
    rows = []
    for teacher in found:
        layers = teacher.run["identity"].get("teacher_layers")
        seed = teacher.run["params"]["teacher"].get("seed")
        model = str(teacher.run["params"]["teacher"].get("model"))
        rows.append(_run(sources, teacher, model, layers, seed, seed, mark=False))
    return rows


def _run(
    sources: Sources,
    record: RunRecord,
    name: str,
    layers: Any,
    seed: Any,
    teacher_seed: Any,
    mark: bool = True,
) -> list[Cell]:
    seconds = known(record.metrics.get("seconds"))
    commit = str((record.run.get("provenance") or {}).get("git_commit") or "unknown")
    path = record.path.relative_to(sources.evidence.store).as_posix()
    return [
        Cell(name, mark=name if mark else "", id=anchor("run", record.key)),
        Cell(str(record.run["task"]["name"])),
        Cell("?" if layers is None else str(layers)),
        Cell(str(seed)),
        Cell("?" if teacher_seed is None else str(teacher_seed)),
        Cell(points(record.deciding_score, 2, record.deciding_metric)),
        Cell(number(seconds, 0)),
        Cell(path, tone="code"),
        Cell(record.key[:12], tone="code", title=record.key),
        Cell(commit[:8], tone="code", title=commit),
        Cell(f"tags.key = '{record.key}'", tone="code"),
    ]


def _source(method: str) -> str:
    row = METHODS.get(method)
    return f"{row.summary} {row.source}." if row else "a method of this project's users"
