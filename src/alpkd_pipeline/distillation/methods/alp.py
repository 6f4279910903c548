"""ALP-KD: a student layer against its attention over the teacher layers of its bucket.

    a_jk = softmax over k in A(j) of <s_j, t_k> / c;   C_j = sum_k a_jk t_k
    L_inter = sum_{j=1..m} mean (s_j - C_j)^2

`alp_kd` draws on all teacher layers, `alp_no` on groups without overlap, `alp_po` on overlapping
groups. The last student layer is included. Nothing is learned, unless the widths differ and a
projection is asked for. The equation itself stands in `losses/layer_attention.py`.
Source: ALP-KD (Passban, Wu, Rezagholizadeh, Liu, AAAI 2021, arXiv 2012.14022).
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.buckets import bucket_mask, make_buckets
from alpkd_pipeline.distillation.losses.layer_attention import Scale, layer_attention
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import Intermediate, Method, Projection, Setup


class Alp(Method):
    """Squared error between student layers and fused teacher layers."""

    def __init__(
        self,
        setup: Setup,
        *,
        scale: Scale,
        detach_weights: bool,
        reduction: Reduction,
        overlap: int = 0,
    ) -> None:
        super().__init__(setup, reduction)
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        self.buckets = make_buckets(setup.spec.bucket or "all", m, n, overlap)
        self.mask: Tensor
        self.register_buffer("mask", bucket_mask(self.buckets, n), persistent=False)
        self.scale: Scale = scale
        self.detach_weights = detach_weights
        self.projection = Projection(setup, m)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The ALP loss and its weights."""
        loss, weights = layer_attention(
            self.projection(student),
            teacher,
            # Copies nothing once the method sits on the device of its signals.
            self.mask.to(student.device),
            scale=self.scale,
            detach_weights=self.detach_weights,
            reduction=self.reduction,
        )
        return Intermediate(loss, weights.detach())
