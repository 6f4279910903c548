"""Control for ALP-KD's attention: the plain mean of the teacher layers in its place.

    C_j = 1/|A(j)| sum_{k in A(j)} t_k;   L_inter = sum_{j=1..m} mean (s_j - C_j)^2

A(j) holds all teacher layers. What `alp_kd` gains over this method is owed to its weights.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.buckets import bucket_mask, make_buckets
from alpkd_pipeline.distillation.losses.layer_attention import fuse
from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.losses.reduction import Reduction
from alpkd_pipeline.distillation.method import Intermediate, Method, Setup
from alpkd_pipeline.distillation.projection import Projection


class Uniform(Method):
    """Squared error between student layers and the mean of their buckets.

    Attributes:
        buckets: A(j) of every student layer.
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        super().__init__(setup)
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        self.buckets = make_buckets(setup.row.bucket or "all", m, n)
        self.mask: Tensor
        self.register_buffer("mask", bucket_mask(self.buckets, n), persistent=False)
        self.reduction: Reduction = reduction
        self.projection = Projection(setup, m)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The error against the mean layer; no attention weights to report."""
        (teacher,) = raised(teacher)
        mask = self.mask.to(teacher.device, teacher.dtype)
        fused = fuse(mask / mask.sum(dim=1, keepdim=True), teacher)
        return Intermediate(layer_match(self.projection(student), fused, self.reduction))
