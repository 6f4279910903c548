"""Patient knowledge distillation: every student layer but the last follows one teacher layer.

    L_inter = sum_{j=1..m-1} 1/B sum_b || unit(s_j) - unit(t_g(j)) ||^2

    skip:  g(j) = floor(j n/m + 1/2)     12 to 6: 2, 4, 6, 8, 10
    last:  g(j) = n - m + j              12 to 6: 7, 8, 9, 10, 11

Source: PKD (Sun et al., EMNLP 2019, arXiv 1908.09355), PKD-Skip and PKD-Last. The last layer is
left out because the soft term reaches it through the logits. A student of one layer therefore has
no pair at all: the term is 0, which is said in a warning when the method is built.
"""

from __future__ import annotations

import logging
from typing import Literal

from alpkd_pipeline.distillation.losses.layer_match import normalised_distance
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import LayerPairs, Setup
from alpkd_pipeline.models.student import last, spread

logger = logging.getLogger(__name__)


class Pkd(LayerPairs):
    """Distance of unit vectors over the pairs of `skip` or `last`."""

    def __init__(
        self, setup: Setup, *, layers: Literal["skip", "last"], reduction: Reduction
    ) -> None:
        depths = setup.sizes.student_layers, setup.sizes.teacher_layers
        chosen = spread(*depths) if layers == "skip" else last(*depths)
        pairs = list(enumerate(chosen, start=1))[:-1]
        if not pairs:
            logger.warning(
                "pkd leaves out the student's last layer: with 1 student layer its intermediate"
                " term is 0, so this run is the same as kd"
            )
        super().__init__(setup, pairs, normalised_distance, reduction)
