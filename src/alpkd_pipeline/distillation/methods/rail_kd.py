"""RAIL-KD: student layers follow teacher layers that are drawn anew for every epoch.

    g(1) < ... < g(m): m of the teacher layers 1..n-1, drawn without replacement for each epoch
    layer:   u_j = W_S,j s_j + b_S,j,  v_j = W_T,j t_g(j) + b_T,j,  j = 1..m
    concat:  u_1 = W_S [s_1, ..., s_m] + b_S,  v_1 = W_T [t_g(1), ..., t_g(m)] + b_T
    L_inter = sum_j 1/B sum_b || unit(u_j) - unit(v_j) ||^2

All maps lead to R^width. Layers are mean-pooled unless `method.pooling` says otherwise. The draw of
epoch e = 0, 1, ... comes from the seed alone (seed * 100003 + e), on every machine the same. The
teacher's last layer is never drawn, so the teacher needs a layer more than the student.
Source: RAIL-KD (Haidar et al., Findings of NAACL 2022, arXiv 2109.10164). Choices of this project:
one draw an epoch, biases in the maps, the width of 128, the map of position j being the same
whatever layer is drawn for it. GLMKD (github.com/aitsc/GLMKD) leaves the last student layer out
and draws m-1 layers, which is `with_last: false`; its layers share one map on each side, which is
`shared_map: true`; its distance is a sum over the batch.

Both sides learn, so a collapse of all examples onto one direction would minimise the term. The
event log therefore shows `watch.teacher_variance`, the variance of the mapped teacher's unit
vectors over the batch, summed over the width and averaged over the layers: near 1 they point
everywhere, 0 is the collapse.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.layer_match import SMALLEST_NORM, normalised_distance
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import Intermediate, LayerMaps, Method, Setup

EPOCHS = 100_003
"""More than any training has: the draws of two seeds never come from the same number."""


class RailKd(Method):
    """Distance between mapped student layers and mapped random teacher layers.

    Attributes:
        compared: how many student layers are compared.
        drawn: g(1) < ... < g(m) of the present epoch.
    """

    def __init__(
        self,
        setup: Setup,
        *,
        mode: Literal["layer", "concat"],
        width: int,
        with_last: bool,
        shared_map: bool,
        reduction: Reduction,
    ) -> None:
        super().__init__(setup, reduction)
        sizes = setup.sizes
        self.compared = sizes.student_layers - (not with_last)
        self.concat, self.shared = mode == "concat", shared_map
        joined = self.compared if self.concat else 1
        maps = 1 if self.concat or self.shared else self.compared
        self.student_maps = LayerMaps([(joined * sizes.student_width, width)] * maps)
        self.teacher_maps = LayerMaps([(joined * sizes.teacher_width, width)] * maps)
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Draw the teacher layers of an epoch."""
        sizes = self.setup.sizes
        generator = torch.Generator("cpu").manual_seed(self.setup.seed * EPOCHS + epoch)
        order = torch.randperm(sizes.teacher_layers - 1, generator=generator, device="cpu") + 1
        self.drawn: tuple[int, ...] = tuple(sorted(order[: self.compared].tolist()))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The distance, and the variance of the mapped teacher."""
        chosen = teacher[:, [k - 1 for k in self.drawn]]
        ours = self._mapped(self.student_maps, student[:, : self.compared])
        theirs = self._mapped(self.teacher_maps, chosen)
        loss = normalised_distance(ours, theirs, self.reduction)
        return Intermediate(loss, watch={"teacher_variance": direction_variance(theirs.detach())})

    def _mapped(self, maps: LayerMaps, layers: Tensor) -> Tensor:
        """(B, L, D) to (B, L, width), or (B, 1, width) where they stand side by side."""
        if self.concat:
            return maps([layers.flatten(start_dim=1)])[0][:, None]
        if self.shared:
            return maps([layers])[0]
        return torch.stack(maps(layers.unbind(dim=1)), dim=1)


def direction_variance(vectors: Tensor) -> Tensor:
    """How much the directions of vectors (B, L, D) vary over the batch, the mean over the L layers.

    A scalar between 0 (all examples point alike) and 1.
    """
    unit = F.normalize(vectors, dim=-1, eps=SMALLEST_NORM)
    return unit.var(dim=0, correction=0).sum(dim=-1).mean()
