"""A model's outputs on a whole split, and its answers as a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.metrics import predictions_frame
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.batching import sorted_batches
from alpkd_pipeline.training.devices import LoadedModel
from alpkd_pipeline.training.memory import MicrobatchSize


@dataclass(frozen=True, slots=True)
class BatchOutput:
    """Outputs for some rows of a split: rows (B,), logits (B, C), layers (B, L, D) or None."""

    rows: np.ndarray
    logits: Tensor
    layers: Tensor | None


def iterate_outputs(
    loaded: LoadedModel,
    split: EncodedSplit,
    limit: MicrobatchSize,
    *,
    pooling: str = "cls",
    layers: bool = False,
    only: np.ndarray | None = None,
) -> Iterator[BatchOutput]:
    """Outputs batch by batch in evaluation mode, in fp32; the model's mode is restored after.

    `limit` is the rows in a batch, and how many of them go through the model at once where memory
    is short; handed from call to call it need not be found out again. With `layers` each has the
    states of every layer, pooled by `cls` or `mean`. `only` some rows are looked at, or all.
    """
    model, chosen = loaded.model, np.arange(len(split)) if only is None else only

    def output(rows: np.ndarray) -> BatchOutput:
        batch = loaded.batch(split, rows)
        with torch.no_grad(), loaded.accelerator.autocast():
            logits, states = forward_signal(model, batch.inputs, pooling=pooling, layers=layers)
        return BatchOutput(rows, logits.float(), None if states is None else states.float())

    was_training = model.training
    model.train(False)
    try:
        for picked in sorted_batches(split.lengths[chosen], limit.whole):
            yield from limit.each(chosen[picked], output)
    finally:
        model.train(was_training)


def predict(loaded: LoadedModel, split: EncodedSplit, limit: MicrobatchSize) -> np.ndarray:
    """The logits of every row, (N, C) float32, in the order of the split."""
    logits: np.ndarray | None = None
    for out in iterate_outputs(loaded, split, limit):
        values = out.logits.cpu().numpy()
        if logits is None:
            logits = np.empty((len(split), values.shape[1]), dtype=np.float32)
        logits[out.rows] = values
    return logits if logits is not None else np.empty((0, 1), dtype=np.float32)


def write_predictions(
    to: Path, task: Task, name: str, split: EncodedSplit, rows: np.ndarray, logits: np.ndarray
) -> None:
    """Write `<to>/predictions/<name>.csv` of rows (R,) of a split with its logits (N, C)."""
    frame = predictions_frame(task, split.idx[rows], split.labels[rows], logits[rows])
    path = to / "predictions" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False, lineterminator="\n")
