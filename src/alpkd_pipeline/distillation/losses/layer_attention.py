"""The ALP equation: every student layer attends to the teacher layers of its bucket.

    a_jk = exp(<s_j, t_k> / c) / sum_{k' in A(j)} exp(<s_j, t_k'> / c)    for k in A(j), else 0
    C_j  = sum_k a_jk t_k
    L    = sum_j 1/(B D) sum_b sum_d (s_j,b,d - C_j,b,d)^2

The divisor c is 1, as in the paper, or sqrt(D). Vectors are not normalised. Unscaled products of
wide vectors make the softmax nearly one-hot, which the entropy of the weights shows.
Source: ALP-KD (Passban, Wu, Rezagholizadeh, Liu, AAAI 2021, arXiv 2012.14022), the attention-based
layer projection. That the gradient flows through a_jk, and the sum over j, are choices: the
paper's own are not confirmed.
`layer_match` is the error without fusion. `layer_concat` keeps every layer of the bucket side by
side and needs a learned map.
"""

from __future__ import annotations

import math
from typing import Literal

from torch import Tensor

from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, raised

Scale = Literal["none", "sqrt_d"]


def attention_weights(
    student: Tensor, teacher: Tensor, mask: Tensor, scale: Scale = "none"
) -> Tensor:
    """The weights a_jk of student layers over teacher layers.

    Args:
        student: (B, m, D).
        teacher: (B, n, D).
        mask: (m, n) bool, true where student layer j may draw on teacher layer k; at least one
            true in every row.
        scale: the divisor c: `none` for 1, `sqrt_d` for the root of D.

    Returns:
        (B, m, n), rows that sum to 1, exactly zero outside the mask.
    """
    student, teacher = raised(student, teacher)
    with no_autocast(student):
        scores = student @ teacher.mT
    if scale == "sqrt_d":
        scores = scores / math.sqrt(student.shape[-1])
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


def fuse(weights: Tensor, teacher: Tensor) -> Tensor:
    """The fused teacher vectors C_j.

    Args:
        weights: (B, m, n), or (m, n) for all examples alike.
        teacher: (B, n, D).

    Returns:
        (B, m, D).
    """
    weights, teacher = raised(weights, teacher)
    with no_autocast(teacher):
        return weights @ teacher


def layer_attention(
    student: Tensor,
    teacher: Tensor,
    mask: Tensor,
    *,
    scale: Scale = "none",
    detach_weights: bool = False,
    reduction: Reduction = "sum",
) -> tuple[Tensor, Tensor]:
    """The ALP loss and the weights that it used.

    Args:
        student: (B, m, D).
        teacher: (B, n, D).
        mask: (m, n) bool, the buckets.
        scale: the divisor c of the dot products.
        detach_weights: let no gradient flow through the weights.
        reduction: over the m student layers.

    Returns:
        The loss, a scalar, and the weights (B, m, n).
    """
    weights = attention_weights(student, teacher, mask, scale)
    if detach_weights:
        weights = weights.detach()
    return layer_match(student, fuse(weights, teacher), reduction), weights
