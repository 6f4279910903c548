"""Scores and predictions of a finished model on every split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.loaded import LoadedModel, loaded_model
from alpkd_pipeline.store.journal import MEMORY
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.labels import hidden_label
from alpkd_pipeline.tasks.metrics import Judge, predictions_frame, score, score_answers
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import environment
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import predict

log = logging.getLogger(__name__)

SCORES = "scores.json"
PREDICTIONS = "predictions"


def score_splits(
    model_folder: Path,
    encoded: Path,
    task: Task,
    out: Path,
    *,
    splits: Sequence[str],
    batch_size: int,
    device: str,
    precision: str,
    threads: int | str,
    by: Judge = score_answers,
) -> dict[str, Any]:
    """Predict every named split, and score those whose labels are known.

    Writes `predictions/<split>.csv` and `scores.json`.

    Args:
        model_folder: the fine-tuned model, loaded from its files as any user would.
        encoded: the folder of encoded splits.
        task: the task.
        out: where the results go; made if it is not there.
        splits: the splits, such as `(*task.dev_splits, *task.test_splits)`. One that the data does
            not have is passed over and named under `skipped`.
        batch_size: rows in a batch.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32` or `bf16`.
        threads: `auto` or a number.
        by: scores the model's answers.

    Returns:
        What scores.json holds: `splits` (split -> `rows` and `scores`, which is None where any
        label is hidden), `skipped`, `environment`, and `memory` if it was too short for a batch.

    Raises:
        UserError: none of the splits is there, the model does not fit task or splits, or its
            answers are not numbers.
    """
    there = {path.stem for path in encoded.glob("*.arrow")}
    present = [name for name in splits if name in there]
    if not present:
        raise UserError(
            f"{encoded} holds none of the splits {', '.join(splits)}; run data preparation again"
        )
    found: dict[str, Any] = {}
    limit = RowLimit(batch_size, "evaluation")
    with loaded_model(
        model_folder, task, device=device, precision=precision, threads=threads
    ) as loaded:
        for name in present:
            found[name] = _score_split(loaded, encoded, task, out, name, limit, by)
    skipped = [name for name in splits if name not in there]
    result = {
        "splits": found,
        "skipped": skipped,
        "environment": environment(loaded.hardware),
        **({MEMORY: limit.noted} if limit.noted else {}),
    }
    write_json(out / SCORES, result)
    return result


def _score_split(
    loaded: LoadedModel, encoded: Path, task: Task, out: Path, name: str, limit: RowLimit, by: Judge
) -> dict[str, Any]:
    split = read_encoded(encoded, name)
    loaded.check_split(split, name)
    logits = predict(
        loaded.model,
        split,
        loaded.accelerator,
        batch_size=limit.whole,
        pad_id=loaded.pad_id,
        limit=limit,
    )
    if not np.isfinite(logits).all():
        raise UserError(
            f"the answers of {loaded.folder} on split '{name}' are not finite: its weights are"
            " damaged or its training diverged; train it again with a lower learning rate"
        )
    path = out / PREDICTIONS / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = predictions_frame(task, split.idx, split.labels, logits)
    frame.to_csv(path, index=False, lineterminator="\n")
    scores = None if has_hidden_labels(split, task) else score(task, logits, split.labels, by)
    log.info("%s, %s: %s", loaded.folder.name, name, _said(scores))
    return {"rows": len(split), "scores": scores}


def has_hidden_labels(split: EncodedSplit, task: Task) -> bool:
    """Whether any label is kept secret; a score over the other rows would pass for the whole."""
    labels = split.labels
    return bool((np.isnan(labels) | (labels == hidden_label(task))).any()) or not len(labels)


def _said(scores: dict[str, float] | None) -> str:
    if scores is None:
        return "predicted, labels are hidden"
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
