"""The mean over an example's real tokens, then over the batch.

    mean(x) = 1/B sum_b 1/|T_b| sum_{i in T_b} x_b,i,    T_b: the tokens of example b, no padding

So padding changes nothing, and the loss of a batch is the mean of its examples' losses. MiniLMv2
writes its loss so (Wang et al., Findings of ACL 2021, arXiv 2012.15828); for TinyBERT it is a
choice of this project that examples of different lengths weigh alike.
"""

from __future__ import annotations

from torch import Tensor


def token_mean(values: Tensor, mask: Tensor) -> Tensor:
    """The mean over the tokens of each example, and over the examples.

    Args:
        values: (B, ..., S), one value for each token; anything at padding.
        mask: (B, S) bool, true at real tokens; at least one in every row.

    Returns:
        (...), the dimensions between batch and tokens.
    """
    real = mask.reshape(mask.shape[0], *(1,) * (values.ndim - 2), mask.shape[1])
    sums = values.masked_fill(~real, 0.0).sum(dim=-1)
    counts = real.sum(dim=-1).to(values.dtype)
    return (sums / counts).mean(dim=0)
