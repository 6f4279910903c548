"""LAD: gates fuse the teacher's layers from below, and student layers follow the fused ones.

    G_1 = t_1;   g_k = sigmoid( W_k G_k-1 + b_k )
    G_k = LN_k( g_k * t_k + (1 - g_k) * G_k-1 )      k = 2..n, products element by element
    L_inter = 1/m sum_{j=1..m} mean (s_j - G_r(j))^2,   r(j) = floor(j n/m + 1/2)

So no teacher layer is skipped, and which of them count is learned, beside the student. A target
that learns comes to meet the student, therefore slowly: `gate_lr` is the peak learning rate of the
gates and norms, in the schedule of the student's. They are large: 11 gates of 768-wide layers hold
6.5 million weights. The event log shows `watch.gates`, the mean of all g_k: 1 takes each layer as
it is.

Source: LAD (Lin, Chen, Kao, Sensors 2023, 23(3), 1483), gates as in its authors' code
(github.com/IKMLab/LAD), W_k drawn as there (Xavier, uniform). There gates learn at 5e-7 to 3e-5
beside students at 1e-4 to 7e-4, and lambda is 500 or 1,000. Choices of this project: pooled layers,
so that a norm is one over the width and not over tokens too, and all gradients clipped as one.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.precision import no_autocast, raised
from alpkd_pipeline.distillation.method import (
    Intermediate,
    Method,
    PreciseLinear,
    Projection,
    Setup,
)
from alpkd_pipeline.models.student import spread


class Gate(nn.Module):
    """Fuses a teacher layer with what was fused below it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.map = PreciseLinear(width, width, device="cpu", dtype=torch.float32)
        nn.init.xavier_uniform_(self.map.weight)
        self.norm = nn.LayerNorm(width, device="cpu", dtype=torch.float32)

    def forward(self, below: Tensor, layer: Tensor) -> tuple[Tensor, Tensor]:
        """G_k and g_k from G_k-1 and t_k, all (B, D)."""
        opened = self.map(below).sigmoid()
        mixed = opened * layer + (1 - opened) * below
        mixed, weight, bias = raised(mixed, self.norm.weight, self.norm.bias)
        with no_autocast(mixed):
            return F.layer_norm(mixed, mixed.shape[-1:], weight, bias, self.norm.eps), opened


class Lad(Method):
    """Squared error between student layers and gated teacher layers.

    Attributes:
        followed: r(1), ..., r(m).
        gates: those of layers 2..n.
    """

    def __init__(self, setup: Setup, *, gate_lr: float) -> None:
        super().__init__(setup, "mean")
        sizes = setup.sizes
        self.followed = spread(sizes.student_layers, sizes.teacher_layers)
        self.gate_lr = gate_lr
        self.projection = Projection(setup, sizes.student_layers)
        count, width = sizes.teacher_layers - 1, sizes.teacher_width
        self.gates = nn.ModuleList(Gate(width) for _ in range(count))

    @property
    def rates(self) -> Mapping[nn.Parameter, float]:
        """That of the gates and their norms; a projection learns with the student."""
        return dict.fromkeys(self.gates.parameters(), self.gate_lr)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The error, and how far the gates are open."""
        fused, openings = [teacher[:, 0]], []
        for gate, layer in zip(self.gates, teacher[:, 1:].unbind(dim=1), strict=True):
            above, opened = gate(fused[-1], layer)
            fused.append(above)
            openings.append(opened.detach().mean())
        theirs = torch.stack([fused[k - 1] for k in self.followed], dim=1)
        loss = layer_match(self.projection(student), theirs, self.reduction)
        return Intermediate(loss, watch={"gates": torch.stack(openings).mean()} if openings else {})
