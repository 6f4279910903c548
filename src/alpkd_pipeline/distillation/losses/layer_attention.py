"""Every student layer attends to teacher layers: over their states, or over what they would answer.

Over states it is the ALP equation, of the layers of a bucket.

    a_jk = exp(<s_j, t_k> / c) / sum_{k' in A(j)} exp(<s_j, t_k'> / c)    for k in A(j), else 0
    C_j  = sum_k a_jk t_k
    L    = sum_j 1/(B D) sum_b sum_d (s_j,b,d - C_j,b,d)^2

The divisor c is 1, as in the paper, or sqrt(D). Vectors are not normalised. Unscaled products of
wide vectors make the softmax nearly one-hot, which the entropy of the weights shows.
Source: ALP-KD (Passban, Wu, Rezagholizadeh, Liu, AAAI 2021, arXiv 2012.14022), the attention-based
layer projection. That the gradient flows through a_jk, and the sum over j, are choices: the
paper's own are not confirmed.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, over_layers, raised
from alpkd_pipeline.tasks.task import TaskKind

Scale = Literal["none", "sqrt_d"]


def attention_weights(
    student: Tensor, teacher: Tensor, mask: Tensor, scale: Scale = "none"
) -> Tensor:
    """The weights a_jk (B, m, n) of student layers (B, m, D) over teacher layers (B, n, D).

    Rows sum to 1 and are exactly zero outside the mask (m, n), which is true where student layer j
    may draw on teacher layer k, at least once in every row. The divisor c is 1 for the scale
    `none`, the root of D for `sqrt_d`.
    """
    student, teacher = raised(student, teacher)
    with no_autocast(student):
        scores = student @ teacher.mT
    if scale == "sqrt_d":
        scores = scores / math.sqrt(student.shape[-1])
    return scores.masked_fill(~mask, -math.inf).softmax(dim=-1)


def fuse(weights: Tensor, teacher: Tensor) -> Tensor:
    """The fused teacher vectors C_j (B, m, D).

    From weights (B, m, n), or (m, n) for all examples alike, and teacher layers (B, n, D).
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
    """The ALP loss, a scalar, and the weights (B, m, n) that it used, through which gradients flow.

    Shapes and `scale` as for `attention_weights`; with `detach_weights` no gradient flows there.
    """
    weights = attention_weights(student, teacher, mask, scale)
    if detach_weights:
        weights = weights.detach()
    return layer_match(student, fuse(weights, teacher), reduction), weights


def layer_outputs(layers: Tensor, maps: Tensor) -> Tensor:
    """q_k = V_k t_k (B, K, C) of layers (B, K, D), by maps (K, C, D)."""
    layers, maps = raised(layers, maps)
    with no_autocast(layers):
        return torch.einsum("bkd,kcd->bkc", layers, maps)


def output_match(
    student: Tensor,
    teacher: Tensor,
    task: TaskKind = "classification",
    reduction: Reduction = "sum",
) -> Tensor:
    """The divergence of the student's layers from the teacher's, combined, a scalar in nats.

        p_j = W_j s_j,  q_k = V_k t_k                in R^C, C classes, 1 for a regression
        a_jk = softmax over k of <p_j, q_k>
        classes:     L = sum_j 1/B sum_b KL( softmax(sum_k a_jk q_k) || softmax(p_j) )
        regression:  L = sum_j 1/B sum_b (sum_k a_jk q_k - p_j)^2, in squared units of the label

    p (B, L, C) and q (B, K, C), before any softmax. The gradient flows through the weights a_jk.
    Source: Universal-KD (Wu, Passban, Rezagholizadeh, Liu, EMNLP 2021), intermediate layers mapped
    to outputs and combined by attention. The squared error of a regression is a choice of this
    project, and so is C for the space: GLMKD's version maps to the student's width.
    """
    student, teacher = raised(student, teacher)
    everything = torch.ones(
        student.shape[1], teacher.shape[1], dtype=torch.bool, device=student.device
    )
    fused = fuse(attention_weights(student, teacher, everything), teacher)
    if task == "regression":
        return over_layers((fused - student).square().mean(dim=(0, 2)), reduction)
    divergence = F.kl_div(
        student.log_softmax(dim=-1), fused.log_softmax(dim=-1), reduction="none", log_target=True
    )
    return over_layers(divergence.sum(dim=-1).mean(dim=0), reduction)
