"""Methods in which a student layer follows one teacher layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from alpkd_pipeline.distillation.losses.reduction import Reduction
from alpkd_pipeline.distillation.method import Intermediate, Method, Setup
from alpkd_pipeline.distillation.projection import Projection

Measure = Callable[[Tensor, Tensor, Reduction], Tensor]


class LayerPairs(Method):
    """L_inter is a measure over pairs (j, g(j)) of a student and a teacher layer.

    Attributes:
        pairs: the pairs, layers counted from 1.
    """

    def __init__(
        self,
        setup: Setup,
        pairs: Sequence[tuple[int, int]],
        measure: Measure,
        reduction: Reduction,
    ) -> None:
        """Fix the pairs.

        Args:
            setup: what every method is built from.
            pairs: student and teacher layer of each pair; without any, the term is 0.
            measure: a loss on (B, L, D_T) of both sides.
            reduction: over the pairs.
        """
        super().__init__(setup)
        self.pairs = tuple(pairs)
        self.measure = measure
        self.reduction: Reduction = reduction
        self.projection = Projection(setup, len(self.pairs))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The measure over the pairs."""
        if not self.pairs:
            return Intermediate(student.new_zeros((), dtype=torch.float32))
        ours = torch.stack([student[:, j - 1] for j, _ in self.pairs], dim=1)
        theirs = torch.stack([teacher[:, k - 1] for _, k in self.pairs], dim=1)
        return Intermediate(self.measure(self.projection(ours), theirs, self.reduction))
