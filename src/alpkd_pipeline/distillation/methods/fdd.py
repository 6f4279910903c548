"""Feature dynamics: student layers, and the steps between them, point where the teacher's point.

    trajectory = 1/m     sum_{j=1..m}   1/B sum_b 1 - cos( s_j, t_g(j) )
    dynamics   = 1/(m-1) sum_{j=1..m-1} 1/B sum_b 1 - cos( s_j+1 - s_j, t_g(j+1) - t_g(j) )
    L_inter    = trajectory + dynamics,   g(j) = floor(j n/m + 1/2)

A student of one layer has no step, and no dynamics. Where a projection is learned, steps are those
between projected layers.
Source: feature dynamics distillation (ACL 2025, long paper 1125), whose exact measure could not be
read; the form is that of a public implementation (github.com/peremartra/optipfair), there over the
tokens of a language model. Choices of this project: pooled layers, and the two parts weigh alike.

The event log shows them as `watch.trajectory` and `watch.dynamics`.
"""

from __future__ import annotations

from torch import Tensor

from alpkd_pipeline.distillation.losses.layer_match import normalised_distance
from alpkd_pipeline.distillation.losses.precision import raised
from alpkd_pipeline.distillation.method import Intermediate, Method, Projection, Setup
from alpkd_pipeline.models.student import spread


class Fdd(Method):
    """Cosines of layers and of the differences between them.

    Attributes:
        followed: g(1), ..., g(m).
    """

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup, "mean")
        m = setup.sizes.student_layers
        self.followed = spread(m, setup.sizes.teacher_layers)
        self.projection = Projection(setup, m)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The sum of the two parts."""
        chosen = teacher[:, [k - 1 for k in self.followed]]
        # Before differences are taken: of half precisions little would be left.
        ours, theirs = raised(self.projection(student), chosen)
        # A distance of directions is 2 - 2 cos.
        parts = {"trajectory": normalised_distance(ours, theirs, self.reduction) / 2}
        if len(self.followed) > 1:
            steps = ours.diff(dim=1), theirs.diff(dim=1)
            parts["dynamics"] = normalised_distance(*steps, self.reduction) / 2
        watch = {part: value.detach() for part, value in parts.items()}
        return Intermediate(sum(parts.values(), ours.new_zeros(())), watch=watch)
