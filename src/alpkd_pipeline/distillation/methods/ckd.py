"""Combined knowledge distillation: a student layer against its whole bucket, concatenated.

    F_j = concat(t_k, k in A(j));   u_j = W_j s_j + b_j
    L_inter = sum_{j=1..m} 1/B sum_b || unit(u_j) - unit(F_j) ||^2

`ckd` draws on all teacher layers, `ckd_no` on groups without overlap, `ckd_po` on overlapping
groups. With `projection_side: teacher`, F_j is mapped to the student's width and meets s_j.
Source: CKD (Wu et al., EMNLP 2020, "Why Skip If You Can Combine"), map on the student's side as in
its authors' code.

The maps bridge any two widths. They are large: `ckd` with 12 teacher layers and 768-wide models
learns 768 * 9216 + 9216 = 7,087,104 weights per student layer, as many as a transformer layer
itself. They are trained beside the student and are no part of it afterwards.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from alpkd_pipeline.distillation.buckets import make_buckets
from alpkd_pipeline.distillation.losses.layer_match import concat_bucket, layer_concat
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.method import Intermediate, LayerMaps, Method, Setup


class Ckd(Method):
    """Distance between unit vectors of mapped student layers and concatenated buckets."""

    def __init__(
        self,
        setup: Setup,
        *,
        projection_side: Literal["student", "teacher"],
        reduction: Reduction,
        overlap: int = 0,
    ) -> None:
        super().__init__(setup, reduction)
        sizes = setup.sizes
        self.buckets = make_buckets(
            setup.spec.bucket or "all", sizes.student_layers, sizes.teacher_layers, overlap
        )
        self.maps_student = projection_side == "student"
        widths = [
            (sizes.student_width, len(bucket) * sizes.teacher_width) for bucket in self.buckets
        ]
        self.maps = LayerMaps(widths if self.maps_student else [(e, d) for d, e in widths])

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The distance of every student layer from its bucket."""
        ours = list(student.unbind(dim=1))
        theirs = [concat_bucket(teacher, bucket) for bucket in self.buckets]
        if self.maps_student:
            ours = self.maps(ours)
        else:
            theirs = self.maps(theirs)
        return Intermediate(layer_concat(ours, theirs, self.reduction))
