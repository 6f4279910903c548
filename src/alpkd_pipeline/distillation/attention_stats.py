"""How a student's layers spread their attention over the teacher's layers, over a whole split."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from alpkd_pipeline.distillation.buckets import Buckets


@dataclass(frozen=True, slots=True)
class AttentionSummary:
    """Attention over a split.

    Attributes:
        examples: how many examples were seen.
        mean_weights: m rows of n numbers, the mean weight of student layer j on teacher layer k;
            zero outside A(j).
        entropy: per student layer, the mean over examples of -sum_k a_jk ln a_jk, in nats. Near 0:
            each example picks one teacher layer.
        max_entropy: per student layer, ln|A(j)| in nats, reached by equal weights.
    """

    examples: int
    mean_weights: tuple[tuple[float, ...], ...]
    entropy: tuple[float, ...]
    max_entropy: tuple[float, ...]


def entropy(weights: Tensor) -> Tensor:
    """The entropy of every row of attention weights, 0 ln 0 counting as 0.

    Args:
        weights: (B, m, n), rows that sum to 1.

    Returns:
        (B, m), in nats.
    """
    return torch.special.entr(weights).sum(dim=-1)


def max_entropy(buckets: Buckets) -> tuple[float, ...]:
    """ln|A(j)| of every student layer, in nats."""
    return tuple(math.log(len(bucket)) for bucket in buckets)


class AttentionStats:
    """Sums over batches, kept in float64 on the CPU so that a large split loses no digits."""

    def __init__(self, buckets: Buckets, teacher_layers: int) -> None:
        """Start empty.

        Args:
            buckets: A(j) of every student layer.
            teacher_layers: n.
        """
        self._buckets = buckets
        self._examples = 0
        self._weights = torch.zeros(len(buckets), teacher_layers, dtype=torch.float64)
        self._entropy = torch.zeros(len(buckets), dtype=torch.float64)

    def update(self, weights: Tensor) -> None:
        """Add a batch.

        Args:
            weights: (B, m, n), the `weights` of a method's `LossTerms`.
        """
        weights = weights.detach().to("cpu", torch.float64)
        self._examples += weights.shape[0]
        self._weights += weights.sum(dim=0)
        self._entropy += entropy(weights).sum(dim=0)

    def summary(self) -> AttentionSummary:
        """The means over all examples seen so far; nan before the first."""
        weights, rows = self._weights / self._examples, self._entropy / self._examples
        return AttentionSummary(
            examples=self._examples,
            mean_weights=tuple(tuple(row) for row in weights.tolist()),
            entropy=tuple(rows.tolist()),
            max_entropy=max_entropy(self._buckets),
        )
