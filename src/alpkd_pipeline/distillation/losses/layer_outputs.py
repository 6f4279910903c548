"""Layers compared in output space: what each would answer, through a linear map of its own.

    p_j = W_j s_j,  q_k = V_k t_k                      in R^C, C classes, 1 for a regression
    a_jk = softmax over k of <p_j, q_k>
    classes:     L = sum_j 1/B sum_b KL( softmax(sum_k a_jk q_k) || softmax(p_j) )
    regression:  L = sum_j 1/B sum_b (sum_k a_jk q_k - p_j)^2

Source: Universal-KD (Wu, Passban, Rezagholizadeh, Liu, EMNLP 2021), intermediate layers mapped to
outputs and combined by attention. The squared error of a regression is a choice of this project,
and so is C for the space: GLMKD's version maps to the student's width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.layer_attention import attention_weights, fuse
from alpkd_pipeline.distillation.losses.precision import (
    Reduction,
    no_autocast,
    over_layers,
    raised,
)
from alpkd_pipeline.tasks.task import TaskKind


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

    p (B, L, C) and q (B, K, C), before any softmax; in squared units of the label where C = 1 is a
    regression. The gradient flows through the weights a_jk too. `layer_attention` is the same
    attention over states, compared by their squared error.
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
