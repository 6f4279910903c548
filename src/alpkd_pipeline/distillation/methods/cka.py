"""CKA: a batch's rows lie to one another in student layers as in evenly spread teacher layers.

    L_inter = sum_{j=1..m} -ln( CKA(s_j, t_g(j)) + 1e-8 ),   g(j) = floor(j n/m + 1/2)

Only how rows lie to one another counts, so widths need not agree and nothing is learned. The
equation itself stands in `losses/layer_match.py`.
Source: feature structure distillation, whose code (github.com/maroo-sky/FSD) has such terms on the
tokens of single texts and of batches, with a mean over the layers but the last, or of one pair
alone, and the weight 30. Choices of this project: pooled layers, all of them.

Rows are compared with one another, so a batch needs at least 8, and batches must go through the
models whole: gradient accumulation is refused, and so is going on with parts of a batch where
memory is short. Where fewer than 8 rows are left at an epoch's end, that step has no such term.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.losses.layer_match import cka_loss
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import Intermediate, Method, Setup
from alpkd_pipeline.models.student import spread


class Cka(Method):
    """Logarithm of the centred kernel alignment of paired layers.

    Attributes:
        followed: g(1), ..., g(m).
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        super().__init__(setup, reduction)
        self.followed = spread(setup.sizes.student_layers, setup.sizes.teacher_layers)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The loss of all pairs."""
        chosen = teacher[:, [k - 1 for k in self.followed]]
        return Intermediate(cka_loss(student, chosen, self.reduction))
