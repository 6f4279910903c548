"""How a batch becomes a loss when a student learns from a teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.distillation.losses.soft import hard_loss
from alpkd_pipeline.distillation.method import Method
from alpkd_pipeline.distillation.signals import LossTerms, Signal, SignalSource
from alpkd_pipeline.models.shape import TokenLayers
from alpkd_pipeline.models.states import forward_signal, forward_tokens
from alpkd_pipeline.tasks.task import TaskKind
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.devices import Accelerator, LoadedModel

Step = Callable[[Batch], LossTerms]


@dataclass(frozen=True)
class Learner:
    """What is trained, and how a batch becomes its losses."""

    loaded: LoadedModel  # the model in training
    step: Step  # turns a batch into its losses
    learned: Sequence[nn.Parameter] = ()  # trained beside the model, and not saved with it
    # peak learning rates of those of it that do not have the model's
    rates: Mapping[nn.Parameter, float] = field(default_factory=dict)
    whole_batches: bool = False  # a batch is compared with itself: it cannot go through in parts
    # the weight of each loss term, for the weighted values in the event log
    term_weights: Mapping[str, float] = field(default_factory=dict)
    # called with the number of each epoch, from 0, before its first step
    begin_epoch: Callable[[int], None] = lambda epoch: None
    # called with the number of each step, from 0, and that of all steps, before its first batch
    begin_step: Callable[[int, int], None] = lambda step, steps: None

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """All that is trained, in a fixed order."""
        return [*self.loaded.model.parameters(), *self.learned]


def finetune_step(
    loaded: LoadedModel, task_kind: TaskKind, class_weights: Tensor | None = None
) -> Step:
    """Plain fine-tuning: the loss against the labels, classes weighted by (C,) if they are."""

    def step(batch: Batch) -> LossTerms:
        with loaded.accelerator.autocast():
            logits, _ = forward_signal(loaded.model, batch.inputs, pooling="cls", layers=False)
        hard = hard_loss(logits, batch.labels, task_kind, class_weights)
        return LossTerms(hard=hard, soft=None, intermediate=None, total=hard)

    return step


def distill_step(
    loaded: LoadedModel,
    method: Method,
    teacher: SignalSource | None,
    pooling: str,
    inside: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Step:
    """The student's outputs, of a pass in `inside`, and the teacher's, compared by the method."""
    model = loaded.model

    def step(batch: Batch) -> LossTerms:
        with loaded.accelerator.autocast(), inside():
            layers, tokens = "layers" in method.needs, method.student_tokens
            heard = model_signal(model, batch.inputs, pooling=pooling, layers=layers, tokens=tokens)
        said = teacher.signals(batch.rows, batch.inputs) if teacher and method.needs else None
        # Losses stay outside autocast: bf16 has too few digits for sums over a batch.
        return method(heard, said, batch.labels, rest=True)

    return step


def model_signal(
    model: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    *,
    pooling: str,
    layers: bool,
    tokens: TokenLayers | None,
) -> Signal:
    """A model's outputs in the precision of its pass: `layers` pooled, or `tokens` of some."""
    if tokens is None:
        logits, pooled = forward_signal(model, inputs, pooling=pooling, layers=layers)
        return Signal(logits=logits, layers=pooled)
    mask = inputs.get("attention_mask", torch.ones_like(inputs["input_ids"]))
    return Signal(**forward_tokens(model, inputs, tokens), mask=mask)


class LiveTeacher:
    """A teacher that runs beside its student, batch by batch."""

    def __init__(
        self,
        model: PreTrainedModel,
        accelerator: Accelerator,
        pooling: str,
        layers: bool,
        tokens: TokenLayers | None = None,
    ) -> None:
        # A teacher left in training mode would teach its own dropout noise.
        model = model.train(False).requires_grad_(False)
        self._accelerator = accelerator
        self._say = partial(model_signal, model, pooling=pooling, layers=layers, tokens=tokens)

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        """The teacher's outputs for this batch, in fp32 and without gradients."""
        with torch.no_grad(), self._accelerator.autocast():
            said = self._say(inputs)
        parts = ("logits", "layers", "states", "scores", "qkv")
        found = {part: getattr(said, part) for part in parts}
        return replace(said, **{p: v.float() for p, v in found.items() if v is not None})
