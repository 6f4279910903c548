"""The divergence of the student's self-attention relations from the teacher's.

    R_a = softmax(A_a A_a^T / sqrt(d_r))    rows i of tokens, columns i' of tokens
    L_A = 1/B sum_b 1/(A_r |T_b|) sum_a sum_{i in T_b} KL( R_T,a,i || R_S,a,i ),   A in {Q, K, V}

Q, K or V (S x E) of a layer, all heads side by side, is cut into A_r relation heads of width
d_r = E / A_r, whatever the number of attention heads; so the two models need neither equal heads
nor equal widths. T_b holds the tokens of example b without padding: padding is neither a row nor a
column.
Source: MiniLMv2 (Wang et al., Findings of ACL 2021, arXiv 2012.15828), multi-head self-attention
relation distillation; the relations Q-Q, K-K and V-V are summed with equal weights by the method.
`attention_match` compares Q-K scores before the softmax, head by head.
"""

from __future__ import annotations

import math

from torch import Tensor

from alpkd_pipeline.distillation.losses.precision import no_autocast, raised
from alpkd_pipeline.distillation.losses.token_mean import token_mean


def log_relations(vectors: Tensor, mask: Tensor, heads: int) -> Tensor:
    """The logarithms of the relations between an example's tokens.

    Args:
        vectors: (B, S, E), the queries, keys or values of a layer.
        mask: (B, S) bool, true at real tokens.
        heads: A_r, a divisor of E.

    Returns:
        (B, A_r, S, S); the columns of padding are -inf.
    """
    (vectors,) = raised(vectors)
    cut = vectors.reshape(*vectors.shape[:2], heads, -1).transpose(1, 2)
    with no_autocast(cut):
        products = cut @ cut.mT / math.sqrt(cut.shape[-1])
    return products.masked_fill(~mask[:, None, None, :], -math.inf).log_softmax(dim=-1)


def self_relations(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """The divergence of one kind of relation.

    Args:
        student: (B, S, E_S), the student's queries, keys or values.
        teacher: (B, S, E_T), the teacher's.
        mask: (B, S) bool, true at real tokens.
        heads: A_r, a divisor of E_S and E_T.

    Returns:
        A scalar in nats.
    """
    ours, theirs = raised(*(log_relations(side, mask, heads) for side in (student, teacher)))
    # Padding has no part in it; -inf minus -inf would be nan.
    padding = ~mask[:, None, None, :]
    gap = (theirs - ours).masked_fill(padding, 0.0)
    return token_mean((theirs.exp() * gap).sum(dim=-1), mask).mean()
