"""The distance between mapped vectors and concatenated teacher layers.

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

from alpkd_pipeline.distillation.losses.normalised_distance import unit_distance
from alpkd_pipeline.distillation.losses.reduction import Reduction, over_layers


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
