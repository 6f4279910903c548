"""What each configuration was trained with, and the command that makes it again."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.reporting.tables.table import (
    MISSING,
    Body,
    Cell,
    Column,
    Table,
    cells,
    depth,
    listed,
    numbers,
)
from alpkd_pipeline.store.diff import flat

if TYPE_CHECKING:
    from alpkd_pipeline.reporting.sources import Sources
    from alpkd_pipeline.reporting.statistics.pairing import Row

SHOWN = {
    "training.lr": "learning rate",
    "training.epochs": "epochs",
    "training.batch_size": "batch",
    "method.temperature": "T",
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
        environment = run.metrics.get("environment") or {}
        libraries = environment.get("libraries") or {}
        versions = [
            f"{name} {libraries[name]}" for name in ("torch", "transformers") if name in libraries
        ]
        known: dict[str, Any] = {
            n: value for n, value in flat(run.run["params"]).items() if n in SHOWN
        }
        known |= {"precision": environment.get("precision"), "versions": ", ".join(versions)}
        same = (arm["label"], *map(str, known.values()))
        row = rows.setdefault(same, {"arms": []})
        row["arms"].append(arm)
        row |= {**known, "command": run.run.get("command"), "arm": arm}
    columns = [
        Column("method", lambda f: Cell(f["arm"]["label"], mark=f["arm"]["method"])),
        Column("students", lambda f: _students(f["arms"])),
        *(numbers(heading, partial(_value, name)) for name, heading in SHOWN.items()),
        Column("precision", partial(_value, "precision")),
        Column("versions", partial(_value, "versions")),
        Column("made by", lambda f: Cell(_value("command", f), tone="code"), brief=False),
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
