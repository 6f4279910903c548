"""How a batch becomes a loss when a model learns from labels alone; distill.py has the rest."""

from __future__ import annotations

from collections.abc import Callable

from transformers import PreTrainedModel

from alpkd_pipeline.distillation.losses.hard import hard_loss
from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.tasks.task import TaskKind
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.devices import Accelerator

Step = Callable[[Batch], LossTerms]


def finetune_step(model: PreTrainedModel, accelerator: Accelerator, task_kind: TaskKind) -> Step:
    """Plain fine-tuning: the loss against the labels."""

    def step(batch: Batch) -> LossTerms:
        with accelerator.autocast():
            logits, _ = forward_signal(model, batch.inputs, pooling="cls", layers=False)
        hard = hard_loss(logits, batch.labels, task_kind)
        return LossTerms(hard=hard, soft=None, intermediate=None, total=hard)

    return step
