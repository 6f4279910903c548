"""Errors and distances between paired layers.

`layer_match` compares vectors with their lengths and divides by the width; `layer_attention` is
that error against fused teacher layers. `normalised_distance` compares directions alone, and
`layer_concat` those of concatenated teacher layers. `cka_loss` compares how the rows of a batch lie
to one another.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, over_layers, raised


def layer_match(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """The squared error between the vectors (B, L, D) of L pairs of layers, a scalar.

        L = sum_j 1/(B D) sum_b sum_d (s_j,b,d - t_j,b,d)^2        ("MSE")

    The mean is over the batch and the width, the sum over the pairs; a mean over the pairs is the
    option. This reading of "MSE" in ALP-KD (Passban et al., AAAI 2021, arXiv 2012.14022) is a
    choice: the paper's own normalisation is not confirmed.
    """
    student, teacher = raised(student, teacher)
    return over_layers((student - teacher).square().mean(dim=(0, 2)), reduction)


def squared_distance(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """The squared distance between the vectors (B, L, D) of L pairs of layers, a scalar.

        L = sum_j 1/B sum_b || s_j,b - t_j,b ||^2

    `layer_match` times D; `normalised_distance` is the same of unit vectors.
    """
    return layer_match(student, teacher, reduction) * student.shape[-1]


SMALLEST_NORM = 1e-12


def unit_distance(left: Tensor, right: Tensor) -> Tensor:
    """The squared distance between the directions of vectors (..., D): (...), from 0 to 4.

    It equals 2 - 2 cos: 0 for the same direction, 4 for the opposite one. Norms below 1e-12 count
    as 1e-12, so a zero vector stays zero.
    """
    left, right = raised(left, right)
    left = F.normalize(left, dim=-1, eps=SMALLEST_NORM)
    right = F.normalize(right, dim=-1, eps=SMALLEST_NORM)
    return (left - right).square().sum(dim=-1)


def normalised_distance(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """The distance between the directions of the vectors (B, L, D) of L pairs of layers, a scalar.

        L = sum_j 1/B sum_b || s_j,b / ||s_j,b||  -  t_j,b / ||t_j,b|| ||^2        ("distance")

    Source: the patient loss L_PT of PKD (Sun et al., EMNLP 2019, arXiv 1908.09355), there a sum
    over the examples, here a mean over the batch.
    """
    return over_layers(unit_distance(student, teacher).mean(dim=0), reduction)


def concat_bucket(layers: Tensor, bucket: Sequence[int]) -> Tensor:
    """F_j: of teacher layers (B, n, D) those of a bucket, counted from 1, one after the other.

    (B, |A(j)| * D), in the increasing order of the bucket.
    """
    return torch.cat([layers[:, k - 1] for k in bucket], dim=1)


def layer_concat(
    student: Sequence[Tensor], teacher: Sequence[Tensor], reduction: Reduction = "sum"
) -> Tensor:
    """The distance between mapped vectors and concatenated teacher layers, a scalar.

        F_j = concat(t_k, k in A(j), increasing k)
        u_j = W_j s_j + b_j
        L   = sum_j 1/B sum_b || u_j,b / ||u_j,b||  -  F_j,b / ||F_j,b|| ||^2

    Both sides are m tensors (B, D_j), one of the two mapped; the widths D_j may differ from layer
    to layer. The norm is that of the whole concatenation, |A(j)| D_T numbers.
    Source: CKD (Wu et al., EMNLP 2020, "Why Skip If You Can Combine"), with the map on the
    student's side as in its authors' code; the map on the other side (s_j against V_j F_j + c_j) is
    an option of the method.
    """
    pairs = zip(student, teacher, strict=True)
    return over_layers(torch.stack([unit_distance(s, t).mean() for s, t in pairs]), reduction)


SMALLEST_CKA = 1e-8
"""Added before the logarithm, which of 0 is infinite."""


def gram_directions(layers: Tensor) -> Tensor:
    """The centred Gram matrices of L layers (B, L, D), each over its norm, flat: (L, B * B).

        K = X X^T,  X the rows of a layer minus their mean;  K / ||K||

    All 0 where all rows are the same.
    """
    (rows,) = raised(layers.transpose(0, 1))
    rows = rows - rows.mean(dim=1, keepdim=True)
    with no_autocast(rows):
        gram = rows @ rows.mT
    return F.normalize(gram.flatten(start_dim=1), dim=-1, eps=SMALLEST_NORM)


def cka_loss(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """-ln CKA between the L pairs of layers (B, L, D_S) and (B, L, D_T), a scalar.

        CKA = <K_S, K_T> / (||K_S|| ||K_T||)                        from 0 to 1
        L   = sum_j -ln( CKA(s_j, t_j) + 1e-8 )

    0 where all rows lie to one another alike, 18.4 at the most. <K_S, K_T> is the sum over all B^2
    products, up to a factor the HSIC of linear kernels. Turning or stretching all vectors of a
    layer changes nothing, and the two widths need not agree.
    Source: Kornblith et al., ICML 2019, arXiv 1905.00414 (linear CKA).

    It is no mean over the batch: parts of a batch have other values than the whole. With fewer rows
    than the vectors are wide it is far from 0 for anything: about 0.92 for two unrelated layers of
    normally distributed numbers, 32 rows and 384 wide, 0.98 with 8 rows.
    """
    ours, theirs = raised(gram_directions(student), gram_directions(teacher))
    alike = (ours * theirs).sum(dim=-1)
    return over_layers(-(alike + SMALLEST_CKA).log(), reduction)
