"""Losses are computed in at least fp32: half precisions are raised, float64 stays float64."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal

import torch
from torch import Tensor


def raised(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in their common precision, at least fp32.

    Args:
        tensors: any number of floating-point tensors of any shapes.

    Returns:
        Each tensor in the widest precision found among them, fp32 at the least. Tensors that
        have it already are returned as they are.
    """
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return tuple(tensor.to(dtype) for tensor in tensors)


def no_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """A context in which matrix products on the tensor's device keep the precision of their inputs.

    Automatic mixed precision would lower the products inside a loss to half precision again.
    """
    return torch.autocast(device_type=tensor.device.type, enabled=False)


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
