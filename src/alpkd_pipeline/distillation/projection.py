"""The learned bridge between student and teacher vectors of different widths.

The ALP-KD paper does not cover such a pair of models. A method that compares s_j with t_k then
puts P_j s_j + b_j in the place of s_j wherever the two meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import Reduction, no_autocast, raised
from alpkd_pipeline.distillation.method import Intermediate, Method, Setup
from alpkd_pipeline.errors import UserError

STREAM = 1_000_003
"""Added to the seed: fresh weights of the student are drawn from the seed itself, and a learned
map that began with the same numbers would be tied to them."""


@contextmanager
def drawn_from(seed: int) -> Iterator[None]:
    """A context in which the CPU's random numbers start from `seed` + STREAM.

    Outside it nothing has moved: the CPU's generator continues where it was, and generators of
    other devices are never touched, so a method that learns something sees the same order of
    data and the same dropout as one that does not.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed + STREAM)
        yield


class PreciseLinear(nn.Linear):
    """A linear map in at least fp32, also under automatic mixed precision."""

    def forward(self, vectors: Tensor) -> Tensor:
        """(..., D) to (..., E), in the widest precision of vectors and weights."""
        vectors, weight, bias = raised(vectors, self.weight, self.bias)
        with no_autocast(vectors):
            return F.linear(vectors, weight, bias)


class LayerMaps(nn.Module):
    """W_j x_j + b_j with its own W_j and b_j for every layer j.

    Drawn in fp32 on the CPU by PyTorch's default for linear layers, in the order of the layers.
    """

    def __init__(self, widths: Sequence[tuple[int, int]]) -> None:
        """Draw the maps from the input and output width of each."""
        super().__init__()
        self.maps = nn.ModuleList(
            PreciseLinear(before, after, device="cpu", dtype=torch.float32)
            for before, after in widths
        )

    def forward(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """One tensor (B, D_j) per map to one tensor (B, E_j) per map."""
        return [linear(x) for linear, x in zip(self.maps, layers, strict=True)]


class Projection(nn.Module):
    """P_j s_j + b_j for every compared student layer, or s_j itself when nothing is learned."""

    def __init__(self, setup: Setup, layers: int) -> None:
        """Prepare the bridge of a method that compares so many student layers."""
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
        """The compared student layers (B, L, D_S), in order, at the teacher's width (B, L, D_T)."""
        if self.maps is None:
            return student
        return torch.stack(self.maps(student.unbind(dim=1)), dim=1)


Measure = Callable[[Tensor, Tensor, Reduction], Tensor]


class LayerPairs(Method):
    """L_inter is a measure over pairs (j, g(j)) of a student and a teacher layer.

    Attributes:
        pairs: the pairs, layers counted from 1.
    """

    def __init__(
        self,
        setup: Setup,
        pairs: Sequence[tuple[int, int]],
        measure: Measure,
        reduction: Reduction,
    ) -> None:
        """Fix the pairs, without any of which the term is 0, and a loss on (B, L, D_T) of both."""
        super().__init__(setup)
        self.pairs = tuple(pairs)
        self.measure = measure
        self.reduction: Reduction = reduction
        self.projection = Projection(setup, len(self.pairs))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The measure over the pairs."""
        if not self.pairs:
            return Intermediate(student.new_zeros((), dtype=torch.float32))
        ours = torch.stack([student[:, j - 1] for j, _ in self.pairs], dim=1)
        theirs = torch.stack([teacher[:, k - 1] for _, k in self.pairs], dim=1)
        return Intermediate(self.measure(self.projection(ours), theirs, self.reduction))
