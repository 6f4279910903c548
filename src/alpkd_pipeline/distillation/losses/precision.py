"""Losses are computed in at least fp32: half precisions are raised, float64 stays float64."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import reduce
from typing import Literal

import torch
from torch import Tensor


def raised(*tensors: Tensor) -> tuple[Tensor, ...]:
    """The tensors in their widest precision, fp32 at the least; those that have it as they are."""
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
    return tuple(tensor.to(dtype) for tensor in tensors)


def no_autocast(tensor: Tensor) -> AbstractContextManager[object]:
    """A context in which matrix products on the tensor's device keep the precision of their inputs.

    Automatic mixed precision would lower the products inside a loss to half precision again.
    """
    return torch.autocast(device_type=tensor.device.type, enabled=False)


Reduction = Literal["sum", "mean"]


def over_layers(per_layer: Tensor, reduction: Reduction) -> Tensor:
    """The sum or the mean of the terms (L,) of all student layers.

    PKD and CKD sum. With the mean, lambda means the same for students of any depth.
    """
    return per_layer.sum() if reduction == "sum" else per_layer.mean()
