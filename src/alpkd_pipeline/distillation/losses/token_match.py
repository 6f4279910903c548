"""The squared error between the token states of paired layers.

    L = sum_j 1/B sum_b 1/(|T_b| D) sum_{i in T_b} sum_d (s_j,b,i,d - t_j,b,i,d)^2

T_b holds the tokens of example b, special ones included, without padding.
Source: L_hidn and L_embd of TinyBERT (Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351), the
mean squared errors of hidden states and of embeddings. Leaving padding out is a choice: in its
authors' code it counts.
`layer_match` is this error for one vector an example.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.losses.reduction import Reduction, over_layers
from alpkd_pipeline.distillation.losses.token_mean import token_mean


def token_match(
    student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction = "sum"
) -> Tensor:
    """The squared error between student and teacher tokens, pair by pair.

    Args:
        student: (B, L, S, D), the student's side of L pairs of layers.
        teacher: (B, L, S, D), the teacher's side.
        mask: (B, S) bool, true at real tokens.
        reduction: over the L pairs.

    Returns:
        A scalar.
    """
    student, teacher = raised(student, teacher)
    return over_layers(token_mean((student - teacher).square().mean(dim=-1), mask), reduction)
