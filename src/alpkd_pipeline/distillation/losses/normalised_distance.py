"""The squared distance between unit vectors of paired layers.

    L = sum_j 1/B sum_b || s_j,b / ||s_j,b||  -  t_j,b / ||t_j,b|| ||^2        ("distance")

Norms below 1e-12 count as 1e-12, so a zero vector stays zero. Each distance lies between 0 (same
direction) and 4 (opposite) and equals 2 - 2 cos.
Source: the patient loss L_PT of PKD (Sun et al., EMNLP 2019, arXiv 1908.09355), there a sum over
the examples, here a mean over the batch.
`layer_match` compares lengths too and divides by the width. `layer_concat` is this distance for
concatenated teacher layers.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.losses.reduction import Reduction, over_layers

SMALLEST_NORM = 1e-12


def unit_distance(left: Tensor, right: Tensor) -> Tensor:
    """The squared distance between the directions of two vectors, for many pairs at once.

    Args:
        left: (..., D).
        right: (..., D).

    Returns:
        (...), each between 0 and 4.
    """
    left, right = raised(left, right)
    left = F.normalize(left, dim=-1, eps=SMALLEST_NORM)
    right = F.normalize(right, dim=-1, eps=SMALLEST_NORM)
    return (left - right).square().sum(dim=-1)


def normalised_distance(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """The distance between the directions of student and teacher vectors, pair by pair.

    Args:
        student: (B, L, D), the student's side of L pairs of layers.
        teacher: (B, L, D), the teacher's side.
        reduction: over the L pairs.

    Returns:
        A scalar.
    """
    return over_layers(unit_distance(student, teacher).mean(dim=0), reduction)
