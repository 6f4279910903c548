"""Patient knowledge distillation: every student layer but the last follows one teacher layer.

    L_inter = sum_{j=1..m-1} 1/B sum_b || unit(s_j) - unit(t_g(j)) ||^2

    skip:  g(j) = floor(j n/m + 1/2)     12 to 6: 2, 4, 6, 8, 10
    last:  g(j) = n - m + j              12 to 6: 7, 8, 9, 10, 11

Source: PKD (Sun et al., EMNLP 2019, arXiv 1908.09355), PKD-Skip and PKD-Last. The last layer is
left out because the soft term reaches it through the logits. A student of one layer therefore has
no pair at all: the term is 0, which is said in a warning when the method is built. `with_last` adds
the last pair, as the code of CKD's authors does for its PKD.

In the authors' code the student of 3 layers follows teacher layers 10 and 11, which is `layers:
last` here; that of 6 is `skip`. Theirs is a mean over pairs and width, so that its weight beta is
lambda (m-1) D of ours: lambda 0.2 is beta 768 from 12 to 6 layers 768 wide. Their results have
betas of 0.1 to 1,000; those of MNLI, QNLI and QQP, and with 3 layers of RTE, are without unit(),
which is `normalise: false`.
"""

from __future__ import annotations

import logging
from typing import Literal

from alpkd_pipeline.distillation.losses.layer_match import normalised_distance, squared_distance
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import LayerPairs, Setup
from alpkd_pipeline.models.student import last, spread

logger = logging.getLogger(__name__)


class Pkd(LayerPairs):
    """Distance of vectors over the pairs of `skip` or `last`."""

    def __init__(
        self,
        setup: Setup,
        *,
        layers: Literal["skip", "last"],
        normalise: bool,
        with_last: bool,
        reduction: Reduction,
    ) -> None:
        depths = setup.sizes.student_layers, setup.sizes.teacher_layers
        chosen = spread(*depths) if layers == "skip" else last(*depths)
        pairs = list(enumerate(chosen, start=1))
        pairs = pairs if with_last else pairs[:-1]
        if not pairs:
            logger.warning(
                "pkd leaves out the student's last layer: with 1 student layer its intermediate"
                " term is 0, so this run is the same as kd"
            )
        measure = normalised_distance if normalise else squared_distance
        super().__init__(setup, pairs, measure, reduction)
