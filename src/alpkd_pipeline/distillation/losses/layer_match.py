"""The squared error between paired layers.

    L = sum_j 1/(B D) sum_b sum_d (s_j,b,d - t_j,b,d)^2        ("MSE")

The mean is over the batch and the width, the sum over the pairs; a mean over the pairs is the
option. This reading of "MSE" in ALP-KD (Passban et al., AAAI 2021, arXiv 2012.14022) is a choice:
the paper's own normalisation is not confirmed.
`layer_attention` is this error against fused teacher layers. `normalised_distance` compares the
directions of the vectors only, and does not divide by the width.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.losses.reduction import Reduction, over_layers


def layer_match(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """The squared error between student and teacher vectors, pair by pair.

    Args:
        student: (B, L, D), the student's side of L pairs of layers.
        teacher: (B, L, D), the teacher's side.
        reduction: over the L pairs.

    Returns:
        A scalar.
    """
    student, teacher = raised(student, teacher)
    return over_layers((student - teacher).square().mean(dim=(0, 2)), reduction)
