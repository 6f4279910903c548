"""Centred kernel alignment: whether a batch's rows lie to one another alike in two layers.

    K   = X X^T,  X the rows of a layer minus their mean        the centred Gram matrix, (B, B)
    CKA = <K_S, K_T> / (||K_S|| ||K_T||)                        from 0 to 1

<K_S, K_T> is the sum over all B^2 products, up to a factor the HSIC of linear kernels. Turning or
stretching all vectors of a layer changes nothing, and the two widths need not agree.
Source: Kornblith et al., ICML 2019, arXiv 1905.00414 (linear CKA).

It is no mean over the batch: parts of a batch have other values than the whole. With fewer rows
than the vectors are wide it is far from 0 for anything: about 0.92 for two unrelated layers of
normally distributed numbers, 32 rows and 384 wide, 0.98 with 8 rows.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.layer_match import SMALLEST_NORM
from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, over_layers, raised

SMALLEST_CKA = 1e-8
"""Added before the logarithm, which of 0 is infinite."""


def gram_directions(layers: Tensor) -> Tensor:
    """K / ||K|| of L layers (B, L, D), flat: (L, B * B). All 0 where all rows are the same."""
    (rows,) = raised(layers.transpose(0, 1))
    rows = rows - rows.mean(dim=1, keepdim=True)
    with no_autocast(rows):
        gram = rows @ rows.mT
    return F.normalize(gram.flatten(start_dim=1), dim=-1, eps=SMALLEST_NORM)


def cka_loss(student: Tensor, teacher: Tensor, reduction: Reduction = "sum") -> Tensor:
    """-ln CKA between the L pairs of layers (B, L, D_S) and (B, L, D_T), a scalar.

        L = sum_j -ln( CKA(s_j, t_j) + 1e-8 )

    0 where all rows lie to one another alike, 18.4 at the most.
    """
    ours, theirs = raised(gram_directions(student), gram_directions(teacher))
    alike = (ours * theirs).sum(dim=-1)
    return over_layers(-(alike + SMALLEST_CKA).log(), reduction)
