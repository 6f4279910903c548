"""Is this model really a teacher for this task? Each check refuses with what would have happened.

Of the folder before anything is loaded (`check_head`, `label_order`), of the tokenizer
(`check_vocabulary`), of the answers on dev (`check_predictions`) or of one that was trained here
(`check_learned`). Pure functions on dicts and arrays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import family_of
from alpkd_pipeline.tasks.metrics import predictions_of, score_predictions, sign
from alpkd_pipeline.tasks.task import Task


def check_head(
    config: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], task: Task
) -> None:
    """Refuse a teacher without a classification head, or with one for another kind of task."""
    name = family_of(config.get("model_type")).classifier
    rows = shapes.get(f"{name}.weight")
    kinds = config.get("architectures") or []
    wrong = [kind for kind in kinds if not kind.endswith("ForSequenceClassification")]
    if rows is None or wrong:
        raise UserError(
            f"the teacher is not fine-tuned: it has no head for sentence classification"
            f" ({', '.join(wrong) or 'no ' + name}); a random head would have taught noise."
            " Fine-tune it first, or choose a checkpoint that is"
        )
    outputs = rows[0]
    names = config.get("id2label")
    if names is not None and len(names) != outputs:
        raise UserError(
            f"the teacher's config.json names {len(names)} outputs in id2label, but its head"
            f" ({name}) has {outputs}: write a name for each output there"
        )
    if outputs != task.num_labels and task.kind == "regression":
        raise UserError(
            f"the teacher has a softmax head of {outputs} outputs, but {task.name} is a regression:"
            " its first logit would have been taken for the value; choose a teacher with one output"
        )
    if outputs != task.num_labels:
        raise UserError(
            f"the teacher has {outputs} outputs, but {task.name} has {task.num_labels} labels"
            f" ({', '.join(task.label_names)}): its logits would have been read as other labels"
        )


def label_order(config: Mapping[str, Any], task: Task) -> tuple[int, ...] | None:
    """For each label of the task the output of a teacher that means it, by the outputs' names.

    None when the names do not tell (LABEL_0, or other words): then only the answers can.
    """
    if task.kind == "regression":
        return (0,)
    found = config.get("id2label") or {}
    outputs = {_plain(name): int(number) for number, name in found.items()}
    wanted = [_plain(name) for name in task.label_names]
    if set(outputs) != set(wanted) or sorted(outputs.values()) != list(range(len(wanted))):
        return None
    return tuple(outputs[name] for name in wanted)


def check_vocabulary(tokenizer_size: int, embedding_rows: int) -> None:
    """Refuse a tokenizer that makes ids which the model has no embedding for."""
    if tokenizer_size > embedding_rows:
        raise UserError(
            f"the tokenizer knows {tokenizer_size} tokens, the teacher only {embedding_rows}: it is"
            " another model's tokenizer, or tokens were added to it and the model has no embeddings"
            " for them (model.resize_token_embeddings, before its training); ids above the table"
            " would have stopped the training"
        )


def check_predictions(
    task: Task,
    logits: np.ndarray,
    labels: np.ndarray,
    order: Sequence[int] | None = None,
    *,
    table: bool = False,
) -> None:
    """Refuse a teacher whose logits (N, C) on dev say that it was not trained for this task.

    `labels` (N,) are the public ones. The outputs were permuted by their names by `order`, from
    `label_order`; None if the names did not tell. With `table` the logits stand in a table.

    Raises:
        UserError: answers that are not finite, that fit another order of the labels better, that
            are on another scale than the labels, or no better than a constant answer.
    """
    if not np.isfinite(logits).all():
        raise UserError("the teacher's logits on dev are not finite: its weights are damaged")
    if task.kind == "regression":
        _check_scale(task, logits[:, 0], labels)
    else:
        _check_order(task, logits, labels, order, table)
    if said := _no_better(task, "dev", predictions_of(task, logits), labels):
        other = "its table is of other rows or labels"
        why = other if table else "it is not fine-tuned for this task"
        raise UserError(f"the teacher's {said}: {why} and would have taught noise")


def check_learned(
    task: Task, name: str, split: str, predictions: np.ndarray, labels: np.ndarray
) -> None:
    """Refuse a teacher that was fine-tuned here and is no better than a constant answer.

    `split` names the rows that chose its best epoch, `predictions` (N,) are its answers on them.
    """
    if said := _no_better(task, split, predictions, labels):
        raise UserError(
            f"the teacher {name} learned nothing: its {said}, and it would teach noise; train it"
            " longer (teacher.training.epochs) or with another learning rate (teacher.training.lr),"
            " or for a test or a demonstration set teacher.allow_constant=true"
        )


def best_constant(task: Task, labels: np.ndarray) -> float:
    """The best value of the primary metric that always giving the same answer can reach."""
    name = task.primary_metric
    constants = np.arange(task.num_labels)
    if task.kind == "regression":  # the least squared error, the least absolute one
        constants = np.array([labels.mean(), np.median(labels)])
    found = (score_predictions(task, np.full(len(labels), k), labels)[name] for k in constants)
    return max(found, key=lambda value: sign(name) * value)


def _no_better(task: Task, split: str, predictions: np.ndarray, labels: np.ndarray) -> str:
    """What to say of (N,) answers that are no better than a constant one; nothing if they are."""
    name = task.primary_metric
    found, constant = (
        score_predictions(task, predictions, labels)[name],
        best_constant(task, labels),
    )
    said = f"{name} on {task.name} {split} is {found:.4f}, a constant answer has {constant:.4f}"
    return said if sign(name) * found <= sign(name) * constant else ""


def _check_order(
    task: Task, logits: np.ndarray, labels: np.ndarray, order: Sequence[int] | None, table: bool
) -> None:
    classes = task.num_labels
    if classes > 5:  # Every order is tried: 120 of them at most.
        return
    # hits[i, j]: how often column i was highest on an example of label j
    hits = np.zeros((classes, classes), dtype=int)
    np.add.at(hits, (logits.argmax(axis=1), labels.astype(int)), 1)
    orders = permutations(range(classes))
    right = {columns: sum(hits[i, j] for j, i in enumerate(columns)) for columns in orders}
    best = max(right, key=lambda columns: right[columns])
    predictions = right[tuple(range(classes))]
    if right[best] <= predictions:
        return
    # Column i is the output `order[i]` of the teacher: the advice is for its own config.json.
    outputs = range(classes) if order is None else order
    means = {outputs[i]: name for i, name in zip(best, task.label_names, strict=True)}
    stands = dict(zip(outputs, task.label_names, strict=True))
    as_given = "as given" if order is None else f"with the id2label that it has, {_json(stands)}"
    remedy = f'write "id2label": {_json(means)} into its config.json'
    if table:
        remedy = "correct task.teacher_columns"
    raise UserError(
        f"the teacher's labels seem to be in another order: accuracy on {task.name} dev is"
        f" {predictions / len(labels):.3f} {as_given}, {right[best] / len(labels):.3f} if its"
        f" outputs mean {', '.join(means[i] for i in range(classes))}; {remedy}, or, if its names"
        f" are right, look at the labels of your data and at task.labels"
    )


def _check_scale(task: Task, values: np.ndarray, labels: np.ndarray) -> None:
    error, spread = float(np.mean((values - labels) ** 2)), float(np.var(labels))
    if error >= spread:
        raise UserError(
            f"the teacher's mean squared error on {task.name} dev is {error:.3f}, a constant has"
            f" {spread:.3f} (its values: {values.min():.2f} to {values.max():.2f}, the labels:"
            f" {labels.min():.2f} to {labels.max():.2f}): not fine-tuned, or for another scale of"
            " the labels"
        )


def _plain(name: object) -> str:
    return str(name).strip().casefold().replace(" ", "_").replace("-", "_")


def _json(names: Mapping[int, str]) -> str:
    return json.dumps(dict(sorted(names.items())), ensure_ascii=False)
