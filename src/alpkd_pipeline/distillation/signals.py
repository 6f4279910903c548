"""What a model says about a batch, as far as a distillation loss may look at it.

Shapes: B examples, L layers, D width, C classes (1 for a regression); for methods that look at
single tokens S tokens, K layers that the method asks for, H attention heads, E width of all heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Signal:
    """The outputs of one model for one batch.

    Attributes:
        logits: (B, C), before any softmax.
        layers: (B, L, D), the pooled output of every layer, first layer first; the embedding
            output is not a layer. None when nobody asked for it.
        states: (B, K, S, D), hidden states of the layers that a method on tokens asks for, in its
            order; layer 0 is the embedding output.
        scores: (B, K, H, S, S), attention scores before the softmax of such layers.
        qkv: (B, K, 3, S, E), queries, keys and values of such layers.
        mask: (B, S), true or 1 at real tokens, 0 at padding; read from the student's side, as both
            models read the same tokens.
    """

    logits: Tensor
    layers: Tensor | None = None
    states: Tensor | None = None
    scores: Tensor | None = None
    qkv: Tensor | None = None
    mask: Tensor | None = None


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
        watch: scalars worth following beside the losses, by name; they are logged, not minimised.
    """

    hard: Tensor
    soft: Tensor | None
    intermediate: Tensor | None
    total: Tensor
    weights: Tensor | None = None
    watch: Mapping[str, Tensor] = field(default_factory=dict)
