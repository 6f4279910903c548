"""From a user's parameters to a Task: one of GLUE's, the demo, or the user's own."""

from __future__ import annotations

from dataclasses import replace

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.labels import class_names
from alpkd_pipeline.tasks.metrics import check_metrics
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO
from alpkd_pipeline.tasks.task import Task, TaskKind

KNOWN: dict[str, Task] = {DEMO.name: DEMO, **{name: row.task for name, row in GLUE.items()}}


def define_task(
    name: str,
    *,
    text_columns: tuple[str, ...] | None = None,
    label_names: tuple[str, ...] | None = None,
    kind: TaskKind | None = None,
    metrics: tuple[str, ...] | None = None,
    label_range: tuple[float, float] | None = None,
) -> Task:
    """A known task, or one made from what the user says about it.

    Args:
        name: a known task's name, or a new one.
        text_columns: needed for a new task; a known one has its own.
        label_names: needed for a new classification.
        kind: needed for a new task unless label names are given.
        metrics: any task; a new task's default is accuracy, or pearson for a regression.
        label_range: a new regression's lowest and highest label.

    Raises:
        UserError: something is missing, contradicts, or redefines a known task.
    """
    known = KNOWN.get(name)
    if known is not None:
        _refuse_redefinition(known, text_columns, label_names, kind, label_range)
        task = known if metrics is None else replace(known, metrics=metrics)
    else:
        task = _own_task(name, text_columns, label_names, kind, metrics, label_range)
    check_metrics(task.metrics, task.kind, task.num_labels)
    return task


def _refuse_redefinition(known: Task, *given: object) -> None:
    names = ("text_columns", "labels", "kind", "label_range")
    for name, value in zip(names, given, strict=True):
        if value is not None:
            raise UserError(
                f"parameter 'task.{name}': task '{known.name}' is already defined; leave"
                f" 'task.{name}' out (columns of other names: task.columns), or choose another"
                " task.name for a task of your own"
            )


def _own_task(
    name: str,
    text_columns: tuple[str, ...] | None,
    label_names: tuple[str, ...] | None,
    kind: TaskKind | None,
    metrics: tuple[str, ...] | None,
    label_range: tuple[float, float] | None,
) -> Task:
    if text_columns is None:
        raise UserError(
            f"task '{name}' is not one of {', '.join(KNOWN)}; for a task of your own set"
            " task.text_columns and task.labels (or task.kind: regression) in conf/"
        )
    kind = kind or ("classification" if label_names else None)
    if kind is None:
        raise UserError(
            f"task '{name}' needs task.labels (the class names in label order)"
            " or task.kind=regression"
        )
    names = label_names or ()
    if kind == "classification" and len(set(names)) < 2:
        raise UserError(f"task '{name}': task.labels must name at least two different classes")
    class_names(names)
    if kind == "regression" and label_names:
        raise UserError(f"task '{name}' is a regression: leave task.labels out")
    if label_range and not label_range[0] < label_range[1]:
        raise UserError(
            f"task '{name}': task.label_range = {list(label_range)} should begin with the lowest"
            " label and end with the highest"
        )
    if kind == "classification" and label_range:
        raise UserError(f"task '{name}' is a classification: leave task.label_range out")
    return Task(
        name=name,
        kind=kind,
        text_columns=text_columns,
        label_names=label_names or (),
        metrics=metrics or (("accuracy",) if kind == "classification" else ("pearson",)),
        label_range=label_range,
    )
