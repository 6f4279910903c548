"""Losses on single tokens: hidden states, attention scores, and relations between tokens.

T_b holds the tokens of example b, special ones included, without padding. Masks are (B, S) bool,
true at real tokens, of which every row has at least one.
"""

from __future__ import annotations

import math

from torch import Tensor

from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, over_layers, raised


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over an example's real tokens, then over the batch: (B, ..., S) to (...).

        mean(x) = 1/B sum_b 1/|T_b| sum_{i in T_b} x_b,i

    So padding, which may hold anything, changes nothing, and the loss of a batch is the mean of its
    examples' losses. MiniLMv2 writes its loss so (Wang et al., Findings of ACL 2021,
    arXiv 2012.15828); for TinyBERT it is a choice of this project that examples of different
    lengths weigh alike.
    """
    real = mask.reshape(mask.shape[0], *(1,) * (values.ndim - 2), mask.shape[1])
    sums = values.masked_fill(~real, 0.0).sum(dim=-1)
    counts = real.sum(dim=-1).to(values.dtype)
    return (sums / counts).mean(dim=0)


def token_match(
    student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction = "sum"
) -> Tensor:
    """The squared error between the token states (B, L, S, D) of L pairs of layers, a scalar.

        L = sum_j 1/B sum_b 1/(|T_b| D) sum_{i in T_b} sum_d (s_j,b,i,d - t_j,b,i,d)^2

    Source: L_hidn and L_embd of TinyBERT (Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351),
    the mean squared errors of hidden states and of embeddings. Leaving padding out is a choice: in
    its authors' code it counts.
    """
    student, teacher = raised(student, teacher)
    return over_layers(token_mean((student - teacher).square().mean(dim=-1), mask), reduction)


def attention_match(
    student: Tensor, teacher: Tensor, mask: Tensor, reduction: Reduction = "sum"
) -> Tensor:
    """The squared error between attention scores (B, L, H, S, S) of L pairs of layers, a scalar.

        A   = q k^T / sqrt(d)    of one head, before the softmax
        L   = sum_j 1/B sum_b 1/(H |T_b|^2) sum_h sum_{i,i' in T_b} (A_S - A_T)^2

    Rows and columns of padding do not count.
    Source: L_attn of TinyBERT (Jiao et al., Findings of EMNLP 2020, arXiv 1909.10351), which
    compares the matrices before the softmax and finds that this converges faster. Head h of the
    student is compared with head h of the teacher, so both need as many. Leaving out the rows of
    padding is a choice: in its authors' code they count, and columns of padding are set to 0.
    `self_relations` compares distributions instead and needs no equal numbers of heads.
    """
    student, teacher = raised(student, teacher)
    columns = mask[:, None, None, None, :]
    squares = (student - teacher).square().masked_fill(~columns, 0.0).sum(dim=-1)
    rows = squares.mean(dim=2) / mask.sum(dim=-1).to(squares.dtype)[:, None, None]
    return over_layers(token_mean(rows, mask), reduction)


def log_relations(vectors: Tensor, mask: Tensor, heads: int) -> Tensor:
    """ln R_a (B, A_r, S, S) of queries, keys or values (B, S, E); columns of padding are -inf."""
    (vectors,) = raised(vectors)
    cut = vectors.reshape(*vectors.shape[:2], heads, -1).transpose(1, 2)
    with no_autocast(cut):
        products = cut @ cut.mT / math.sqrt(cut.shape[-1])
    return products.masked_fill(~mask[:, None, None, :], -math.inf).log_softmax(dim=-1)


def self_relations(student: Tensor, teacher: Tensor, mask: Tensor, heads: int) -> Tensor:
    """The divergence of the student's self-attention relations of one kind from the teacher's.

        R_a = softmax(A_a A_a^T / sqrt(d_r))    rows i of tokens, columns i' of tokens
        L_A = 1/B sum_b 1/(A_r |T_b|) sum_a sum_{i in T_b} KL( R_T,a,i || R_S,a,i ), A in {Q, K, V}

    A scalar in nats. Q, K or V (B, S, E) of a layer, all heads side by side, is cut into A_r
    relation heads of width d_r = E / A_r, whatever the number of attention heads; so the two models
    need neither equal heads nor equal widths, as long as A_r divides both. Padding is neither a row
    nor a column.
    Source: MiniLMv2 (Wang et al., Findings of ACL 2021, arXiv 2012.15828), multi-head
    self-attention relation distillation; the relations Q-Q, K-K and V-V are summed with equal
    weights by the method. `attention_match` compares Q-K scores before the softmax, head by head.
    """
    ours, theirs = raised(*(log_relations(side, mask, heads) for side in (student, teacher)))
    # Padding has no part in it; -inf minus -inf would be nan.
    padding = ~mask[:, None, None, :]
    gap = (theirs - ours).masked_fill(padding, 0.0)
    return token_mean((theirs.exp() * gap).sum(dim=-1), mask).mean()
