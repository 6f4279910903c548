"""Control for matching many layers: only the last student layer follows the last teacher layer.

    L_inter = mean (s_m - t_n)^2

One study finds that it beats elaborate layer maps (arXiv 2302.01530).
"""

from __future__ import annotations

from alpkd_pipeline.distillation.layer_pairs import LayerPairs
from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.reduction import Reduction
from alpkd_pipeline.distillation.method import Setup


class LastLayer(LayerPairs):
    """Squared error of the pair (m, n)."""

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        pairs = [(setup.sizes.student_layers, setup.sizes.teacher_layers)]
        super().__init__(setup, pairs, layer_match, reduction)
