"""The learned bridge between student and teacher vectors of different widths.

The ALP-KD paper does not cover such a pair of models. A method that compares s_j with t_k then
puts P_j s_j + b_j in the place of s_j wherever the two meet.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from alpkd_pipeline.distillation.learned_maps import LayerMaps
from alpkd_pipeline.distillation.method import Setup
from alpkd_pipeline.errors import UserError


class Projection(nn.Module):
    """P_j s_j + b_j for every compared student layer, or s_j itself when nothing is learned."""

    def __init__(self, setup: Setup, layers: int) -> None:
        """Prepare the bridge of a method.

        Args:
            setup: the method's setup; `projection` in its settings is `none` or `linear`.
            layers: how many student layers are compared.

        Raises:
            UserError: the widths differ and no projection is learned.
        """
        super().__init__()
        ours, theirs = setup.sizes.student_width, setup.sizes.teacher_width
        linear = setup.settings.projection == "linear"
        if ours != theirs and not linear:
            raise UserError(
                f"method {setup.row.name!r} compares student layers of width {ours} with teacher"
                f" layers of width {theirs}: set projection=linear, or take a student of width"
                f" {theirs}"
            )
        self.maps = LayerMaps([(ours, theirs)] * layers) if linear else None

    def forward(self, student: Tensor) -> Tensor:
        """Bring student vectors to the teacher's width.

        Args:
            student: (B, L, D_S), the compared layers in order.

        Returns:
            (B, L, D_T).
        """
        if self.maps is None:
            return student
        return torch.stack(self.maps(student.unbind(dim=1)), dim=1)
