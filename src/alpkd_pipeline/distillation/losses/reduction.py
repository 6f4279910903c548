"""How the terms of the student layers become one number."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Reduction = Literal["sum", "mean"]


def over_layers(per_layer: Tensor, reduction: Reduction) -> Tensor:
    """The sum or the mean of the terms of all student layers.

    PKD and CKD sum. With the mean, lambda means the same for students of any depth.

    Args:
        per_layer: (L,), one term per student layer.
        reduction: `sum` or `mean`.

    Returns:
        A scalar.
    """
    return per_layer.sum() if reduction == "sum" else per_layer.mean()
