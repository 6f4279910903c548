"""What a model says about a batch, as far as a distillation loss may look at it.

Shapes: B examples, L layers, D width, C classes (1 for a regression).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Signal:
    """The outputs of one model for one batch.

    Attributes:
        logits: (B, C), before any softmax.
        layers: (B, L, D), the pooled output of every layer, first layer first; the embedding
            output is not a layer. None when nobody asked for it.
    """

    logits: Tensor
    layers: Tensor | None = None


class SignalSource(Protocol):
    """Where the teacher's signals come from: a live teacher or the cache, losses cannot tell."""

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        """The teacher's signals for a batch.

        Args:
            rows: (B,) int64, the positions of the examples in the training split.
            inputs: the encoder's padded inputs for the same examples.
        """
        ...


@dataclass(frozen=True, slots=True)
class LossTerms:
    """The parts of a distillation loss, each a scalar tensor.

    Attributes:
        hard: loss against the labels, before its weight beta.
        soft: loss against the teacher's outputs before its weight eta; None if the method has none.
        intermediate: the method's own term before its weight lambda; None if it has none.
        total: beta * hard + eta * soft + lambda * intermediate, the value to minimise.
        weights: (B, m, n) attention of student layers over teacher layers, zero outside each
            layer's bucket; None for methods without attention.
    """

    hard: Tensor
    soft: Tensor | None
    intermediate: Tensor | None
    total: Tensor
    weights: Tensor | None = None
