"""The squared error between paired layers.

    L = sum_j 1/(B D) sum_b sum_d (s_j,b,d - t_j,b,d)^2        ("MSE")

The mean is over the batch and the width, the sum over the pairs; a mean over the pairs is the
option. This reading of "MSE" in ALP-KD (Passban et al., AAAI 2021, arXiv 2012.14022) is a choice:
the paper's own normalisation is not confirmed.
`layer_attention` is this error against fused teacher layers. `normalised_distance` compares the
directions of the vectors only, and does not divide by the width.

The squared distance between unit vectors of paired layers.

    L = sum_j 1/B sum_b || s_j,b / ||s_j,b||  -  t_j,b / ||t_j,b|| ||^2        ("distance")

Norms below 1e-12 count as 1e-12, so a zero vector stays zero. Each distance lies between 0 (same
direction) and 4 (opposite) and equals 2 - 2 cos.
Source: the patient loss L_PT of PKD (Sun et al., EMNLP 2019, arXiv 1908.09355), there a sum over
the examples, here a mean over the batch.
`layer_match` compares lengths too and divides by the width. `layer_concat` is this distance for
concatenated teacher layers.

The distance between mapped vectors and concatenated teacher layers.

    F_j = concat(t_k, k in A(j), increasing k)
    u_j = W_j s_j + b_j
    L   = sum_j 1/B sum_b || u_j,b / ||u_j,b||  -  F_j,b / ||F_j,b|| ||^2

The norm is that of the whole concatenation, |A(j)| D_T numbers.
Source: CKD (Wu et al., EMNLP 2020, "Why Skip If You Can Combine"), with the map on the student's
side as in its authors' code; the map on the other side (s_j against V_j F_j + c_j) is an option
of the method.
`normalised_distance` is the same measure for single layers. `layer_attention` fuses the layers of
a bucket by weights and learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import Reduction, over_layers, raised


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


def concat_bucket(layers: Tensor, bucket: Sequence[int]) -> Tensor:
    """The vectors of a bucket, one after the other.

    Args:
        layers: (B, n, D), all teacher layers.
        bucket: layer numbers from 1, in increasing order.

    Returns:
        (B, len(bucket) * D).
    """
    return torch.cat([layers[:, k - 1] for k in bucket], dim=1)


def layer_concat(
    student: Sequence[Tensor], teacher: Sequence[Tensor], reduction: Reduction = "sum"
) -> Tensor:
    """The distance of every student layer from its concatenation, one of the two mapped.

    Args:
        student: m tensors (B, D_j).
        teacher: m tensors (B, D_j); the widths D_j may differ from layer to layer.
        reduction: over the m layers.

    Returns:
        A scalar.
    """
    pairs = zip(student, teacher, strict=True)
    return over_layers(torch.stack([unit_distance(s, t).mean() for s, t in pairs]), reduction)
