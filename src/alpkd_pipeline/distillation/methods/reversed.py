"""Control for the order of layers: evenly spread teacher layers, deepest first.

    L_inter = sum_{j=1..m} mean (s_j - t_g(j))^2,   g(j) = n + 1 - floor(j n/m + 1/2)

12 to 4: 10, 7, 4, 1. A method that cannot beat this one has not shown that order matters; one
study finds that even such a match makes good students (arXiv 2502.04499).
"""

from __future__ import annotations

from alpkd_pipeline.distillation.layer_pairs import LayerPairs
from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.reduction import Reduction
from alpkd_pipeline.distillation.method import Setup
from alpkd_pipeline.models.layer_choice import spread


class Reversed(LayerPairs):
    """Squared error over pairs in reversed order."""

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        pairs = [(j, n + 1 - k) for j, k in enumerate(spread(m, n), start=1)]
        super().__init__(setup, pairs, layer_match, reduction)
