"""The squared error between the attention scores of paired layers.

    A   = q k^T / sqrt(d)    of one head, before the softmax
    L   = sum_j 1/B sum_b 1/(H |T_b|^2) sum_h sum_{i,i' in T_b} (A_S - A_T)^2

T_b holds the tokens of example b without padding: rows and columns of padding do not count.
Source: L_attn of TinyBERT (Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351), which compares
the matrices before the softmax and finds that this converges faster. Head h of the student is
compared with head h of the teacher, so both need as many. Leaving out the rows of padding is a
choice: in its authors' code they count, and columns of padding are set to 0.
`self_relations` compares distributions instead and needs no equal numbers of heads.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.losses.reduction import Reduction, over_layers
from alpkd_pipeline.distillation.losses.token_mean import token_mean


def attention_match(
    student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction = "sum"
) -> Tensor:
    """The squared error between student and teacher scores, pair by pair.

    Args:
        student: (B, L, H, S, S), the student's side of L pairs of layers.
        teacher: (B, L, H, S, S), the teacher's side.
        mask: (B, S) bool, true at real tokens.
        reduction: over the L pairs.

    Returns:
        A scalar.
    """
    student, teacher = raised(student, teacher)
    columns = mask[:, None, None, None, :]
    squares = (student - teacher).square().masked_fill(~columns, 0.0).sum(dim=-1)
    rows = squares.mean(dim=2) / mask.sum(dim=-1).to(squares.dtype)[:, None, None]
    return over_layers(token_mean(rows, mask), reduction)
