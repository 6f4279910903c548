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
    """A known task, perhaps with other metrics, or one made from what the user says about it.

    A new one needs its text columns and the label names of a classification, or a kind. Its
    default metric is accuracy, or pearson for a regression.

    Raises:
        UserError: something is missing, contradicts, or redefines a known task.
    """
    known = KNOWN.get(name)
    given = {
        "text_columns": text_columns,
        "labels": label_names,
        "kind": kind,
        "label_range": label_range,
    }
    if known is None:
        task = _own_task(name, text_columns, label_names or (), kind, label_range)
    elif word := next((word for word, value in given.items() if value is not None), ""):
        raise UserError(
            f"parameter 'task.{word}': task '{name}' is already defined; leave 'task.{word}' out"
            " (columns of other names: task.columns), or choose another task.name for a task of"
            " your own"
        )
    else:
        task = known
    task = replace(task, metrics=task.metrics if metrics is None else metrics)
    check_metrics(task.metrics, task.kind, task.num_labels)
    return task


def _own_task(
    name: str,
    text_columns: tuple[str, ...] | None,
    names: tuple[str, ...],
    kind: TaskKind | None,
    label_range: tuple[float, float] | None,
) -> Task:
    if text_columns is None:
        raise UserError(
            f"task '{name}' is not one of {', '.join(KNOWN)}; for a task of your own set"
            " task.text_columns and task.labels (or task.kind: regression) in conf/"
        )
    kind = kind or ("classification" if names else None)
    if kind is None:
        raise UserError(
            f"task '{name}' needs task.labels (the class names in label order)"
            " or task.kind=regression"
        )
    if kind == "classification" and len(set(names)) < 2:
        raise UserError(f"task '{name}': task.labels must name at least two different classes")
    class_names(names)
    if kind == "regression" and names:
        raise UserError(f"task '{name}' is a regression: leave task.labels out")
    if label_range and not label_range[0] < label_range[1]:
        raise UserError(
            f"task '{name}': task.label_range = {list(label_range)} should begin with the lowest"
            " label and end with the highest"
        )
    if kind == "classification" and label_range:
        raise UserError(f"task '{name}' is a classification: leave task.label_range out")
    metric = "accuracy" if kind == "classification" else "pearson"
    return Task(name, kind, text_columns, names, (metric,), label_range)
