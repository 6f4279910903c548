"""AdamW and its learning-rate schedule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn


def make_adamw(
    parameters: Iterable[nn.Parameter],
    lr: float,
    weight_decay: float,
    rates: Mapping[nn.Parameter, float] = MappingProxyType({}),
) -> torch.optim.AdamW:
    """AdamW that decays no biases and LayerNorm weights; `rates` are those of single parameters."""
    trained = [p for p in parameters if p.requires_grad]
    groups: list[dict[str, Any]] = []
    for rate in dict.fromkeys([lr, *rates.values()]):
        alike, share = [p for p in trained if rates.get(p, lr) == rate], rate / lr
        matrices, others = [p for p in alike if p.ndim > 1], [p for p in alike if p.ndim <= 1]
        groups.append({"params": matrices, "weight_decay": weight_decay, "share": share})
        groups.append({"params": others, "weight_decay": 0.0, "share": share})
    return torch.optim.AdamW(groups, lr=lr, fused=True)


def warmup_steps(total: int, ratio: float) -> int:
    """Steps of linear warm-up: a share of all steps, rounded down."""
    return int(total * ratio)


def lr_factor(step: int, total: int, warmup: int) -> float:
    """Linear warm-up to 1, then linear decay to 0 at `total`; `step` counts from 0."""
    if step < warmup:
        return (step + 1) / warmup
    return max(0.0, (total - step) / max(1, total - warmup))


def decay_left(steps: int, total: int, warmup: int, lr: float, weight_decay: float) -> float:
    """What AdamW leaves of a weight without gradient in `steps` steps; `lr` is the peak rate."""
    rates = (lr * lr_factor(step, total, warmup) for step in range(steps))
    return math.prod(1.0 - rate * weight_decay for rate in rates)


def set_lr(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group of `make_adamw` this learning rate, or its share of it."""
    for group in optimiser.param_groups:
        group["lr"] = lr * group["share"]
