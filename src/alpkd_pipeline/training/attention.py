"""How the student's attention over the teacher's layers looks on the selecting rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from alpkd_pipeline.distillation.attention_stats import AttentionStats
from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.predict import BatchOutput

TeacherReader = Callable[[BatchOutput], Signal]
"""The teacher's signals for the rows of a batch of the student's outputs."""


def attention_observer(
    method: Method, read_teacher: TeacherReader, split: EncodedSplit
) -> Callable[[list[BatchOutput]], dict[str, Any]]:
    """An observer for `train_and_write`.

    Args:
        method: a method with attention, in training; what it learns may change between two looks.
        read_teacher: gives the teacher's signals for some rows.
        split: the split that the rows belong to.
    """
    buckets = method.buckets

    def look(outputs: list[BatchOutput]) -> dict[str, Any]:
        stats = AttentionStats(buckets, method.setup.sizes.teacher_layers)
        for out in outputs:
            labels = torch.from_numpy(split.labels[out.rows].copy()).to(out.logits.device)
            with torch.no_grad():
                terms = method(Signal(out.logits, out.layers), read_teacher(out), labels)
            if terms.weights is not None:
                stats.update(terms.weights)
        summary = stats.summary()
        return {
            "attention": {
                "weights": [list(row) for row in summary.mean_weights],
                "entropy": list(summary.entropy),
                "max_entropy": list(summary.max_entropy),
                "examples": summary.examples,
            }
        }

    return look
