"""What every distillation method has in common: three terms and their weights.

    L = beta * L_hard + eta * L_soft + lambda * L_inter

Shapes: B examples, C classes (1 for a regression); m student layers of width D_S, n teacher
layers of width D_T.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from alpkd_pipeline.distillation.buckets import Buckets
from alpkd_pipeline.distillation.losses.soft import hard_loss, soft_loss
from alpkd_pipeline.distillation.method_row import MethodRow, MethodSettings, Sizes
from alpkd_pipeline.distillation.signals import (
    Kept,
    LossTerms,
    Signal,
    check_outputs,
    layer_signals,
    teacher_logits,
    token_mask,
    token_pair,
)
from alpkd_pipeline.models.shape import TokenLayers
from alpkd_pipeline.tasks.task import TaskKind


@dataclass(frozen=True, slots=True)
class Setup:
    """What every method is built from: its row, complete settings, and the run that it is for."""

    row: MethodRow
    settings: MethodSettings
    sizes: Sizes
    task: TaskKind
    seed: int


class Intermediate(NamedTuple):
    """A method's own term: a scalar before its weight, and attention weights (B, m, n), if any.

    What to watch are scalars to be logged beside it, without a graph.
    """

    loss: Tensor
    weights: Tensor | None = None
    watch: Mapping[str, Tensor] = MappingProxyType({})


class Method(nn.Module):
    """A distillation loss. A method's class adds `intermediate` and holds only what it learns.

    Move it to the device of the signals and give its parameters to the student's optimiser: what
    a method learns belongs to the training state, never to the exported student.

    Attributes:
        setup: what it was built from.
        buckets: A(j) of every student layer; only methods that use buckets have it.
    """

    buckets: Buckets

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup = setup

    @property
    def needs(self) -> frozenset[str]:
        """The teacher's signals that are read, out of those of `MethodRow.needs`."""
        return self.setup.row.needs

    @property
    def student_tokens(self) -> TokenLayers | None:
        """The student's layers whose tokens are read; None for methods on pooled layers."""
        return None

    @property
    def teacher_tokens(self) -> TokenLayers | None:
        """The teacher's layers whose tokens are read; None for methods on pooled layers."""
        return None

    @property
    def learned(self) -> tuple[nn.Parameter, ...]:
        """What the method itself learns; empty for most methods."""
        return tuple(self.parameters())

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch, counted from 0, for methods that change as training goes on."""

    def forward(self, student: Signal, teacher: Signal | None, labels: Tensor) -> LossTerms:
        """The loss of one batch.

        Args:
            student: logits (B, C); layers (B, m, D_S) where `needs` has layers, tokens as far as
                `student_tokens` says so.
            teacher: logits (B, C), layers (B, n, D_T) and tokens as far as `needs` and
                `teacher_tokens` say so; no gradient ever reaches it. None if `needs` is empty.
            labels: (B,), int64 class ids or the real numbers of a regression.

        Returns:
            Each term before its weight, and the weighted total.

        Raises:
            UserError: a signal is missing or has an unexpected shape. Values are not looked at,
                which would make the device wait in every step.
        """
        settings, task = self.setup.settings, self.setup.task
        check_outputs(student.logits, labels, task)
        hard = hard_loss(student.logits, labels, task)
        total = settings.beta * hard
        soft, own = None, None
        if settings.eta is not None and settings.temperature is not None:
            targets = teacher_logits(settings.name, teacher, student.logits)
            soft = soft_loss(student.logits, targets, settings.temperature, task)
            total = total + settings.eta * soft
        if settings.lambda_ is not None:
            own = self.compare(student, teacher)
            total = total + settings.lambda_ * own.loss
        if own is None:
            return LossTerms(hard, soft, None, total)
        return LossTerms(hard, soft, own.loss, total, own.weights, own.watch)

    def token_vectors(
        self, name: Kept, student: Signal, teacher: Signal | None, *inner: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """A signal (B, *inner, S, width) of both sides, and the mask (B, S) of their tokens."""
        method, sizes = self.setup.row.name, self.setup.sizes
        mask = token_mask(method, student)
        batch, tokens = mask.shape
        ours = (batch, *inner, tokens, sizes.student_width)
        theirs = (batch, *inner, tokens, sizes.teacher_width)
        return *token_pair(method, name, student, teacher, (ours, theirs)), mask

    def compare(self, student: Signal, teacher: Signal | None) -> Intermediate:
        """The method's own term from whole signals; methods on pooled layers leave it as it is."""
        sizes = self.setup.sizes
        return self.intermediate(*layer_signals(self.setup.row.name, teacher, student, sizes))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The method's own term on pooled layers; only called where its row has one.

        Args:
            student: (B, m, D_S).
            teacher: (B, n, D_T), cut off from the teacher's gradients.
        """
        raise NotImplementedError
