"""What `${cell:...}` means in the catalog: the values of a cell that datasets are made with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.stage import Stage

TRAININGS = ("teacher", "student")
"""The stages that train, each a tracked run of its own."""


def lookup(cell: Cell, name: str) -> Any:
    """The value of a dotted name.

    Args:
        cell: the cell.
        name: a path of attributes of the cell (`student.path`, `params.teacher.sha256`), or
            `<stage>.run`, or one of the names below.

    Returns:
        Text, a number, a dictionary of text or None. Structures are given as JSON text, since
        OmegaConf would read `${...}` in them.
    """
    head, _, tail = name.partition(".")
    if tail == "run":
        return json.dumps(run_facts(cell, head))
    if name == "source_json":
        return json.dumps(asdict(cell.source))
    if name == "task_json":
        return json.dumps(cell.task.to_dict())
    if name == "comparison_json":
        compare = cell.params.compare.model_dump(mode="json")
        return json.dumps({"stage": "compare", "params": {"compare": compare}})
    if name == "tracking":
        run = cell.params.run
        project = str(cell.project)
        return {"tracking": run.tracking, "experiment": run.experiment, "project": project}
    value: Any = cell
    for part in name.split("."):
        value = getattr(value, part)
    return str(value) if isinstance(value, Path) else value


def run_facts(cell: Cell, name: str) -> dict[str, Any]:
    """What run.json says about how a result is made.

    Args:
        cell: the cell.
        name: the stage.
    """
    stage = cell.stage(name)
    about_student = name.startswith("student")
    facts = {
        "schema": 1,
        "stage": name,
        "name": cell.student_name if about_student else cell.teacher_name,
        "task": cell.task.to_dict(),
        # Where results go is not what they are, and an address may hold a password.
        "params": {k: v for k, v in cell.params.plain().items() if k not in ("run", "compare")},
        "identity": {
            "key": stage.key,
            "keys": {**_upstream_keys(cell, stage), name: stage.key},
            "code": cell.student_code if about_student else cell.teacher_code,
            "teacher_layers": cell.teacher_shape.layers if cell.teacher_shape else None,
            "generation": cell.params.run.kind,
        },
    }
    if name in TRAININGS:
        # Equal for equal results, and for no others: people meet the same digits in the folder.
        facts["name"] = f"{facts['name']}-{stage.key[:4]}"
        facts["group"] = cell.params.run.group
        # Which raw data it was: a key alone would not tell data from the code that reads it.
        facts["source"] = cell.source_digest
        facts["description"] = _description(cell, about_student)
        facts["command"] = cell.command
    return facts


def _upstream_keys(cell: Cell, stage: Stage) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, key in stage.made_from.items():
        found |= {**_upstream_keys(cell, cell.stage(name)), name: key}
    return found


def _description(cell: Cell, about_student: bool) -> str:
    given = cell.params
    teacher = f"{given.teacher.model} fine-tuned on {cell.task.name}"
    if not about_student:
        return f"Teacher: {teacher}, seed {given.teacher.seed}."
    layers = given.student.layers
    depth = "1 layer" if layers == 1 else f"{layers} layers"
    return (
        f"Student of {depth} by {given.method.name}, seed {given.seed}."
        f" {get_row(given.method.name).summary} Teacher: {teacher}."
    )
