"""How a batch becomes a loss when a student learns from a teacher."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import PreTrainedModel

from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.signals import LossTerms, Signal, SignalSource
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.step import Step


def distill_step(
    model: PreTrainedModel,
    method: Method,
    teacher: SignalSource | None,
    accelerator: Accelerator,
    pooling: str,
) -> Step:
    """Distillation: the student's outputs and the teacher's signals, compared by the method."""

    def step(batch: Batch) -> LossTerms:
        with accelerator.autocast():
            logits, layers = forward_signal(
                model, batch.inputs, pooling=pooling, layers=method.needs_student_layers
            )
        said = teacher.signals(batch.rows, batch.inputs) if teacher and method.needs else None
        # Losses stay outside autocast: bf16 has too few digits for sums over a batch.
        return method(Signal(logits=logits, layers=layers), said, batch.labels)

    return step


class LiveTeacher:
    """A teacher that runs beside its student, batch by batch."""

    def __init__(
        self, model: PreTrainedModel, accelerator: Accelerator, pooling: str, layers: bool
    ) -> None:
        # A teacher left in training mode would teach its own dropout noise.
        self._model = model.train(False).requires_grad_(False)
        self._accelerator = accelerator
        self._pooling = pooling
        self._layers = layers

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        """The teacher's outputs for this batch, in fp32 and without gradients."""
        with torch.no_grad(), self._accelerator.autocast():
            logits, layers = forward_signal(
                self._model, inputs, pooling=self._pooling, layers=self._layers
            )
        return Signal(logits=logits.float(), layers=None if layers is None else layers.float())
