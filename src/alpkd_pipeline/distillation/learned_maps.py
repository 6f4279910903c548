"""Learned linear maps, one for each layer, and how their first values are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.precision import no_autocast, raised

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
        """Draw the maps.

        Args:
            widths: input and output width of each layer's map.
        """
        super().__init__()
        self.maps = nn.ModuleList(
            PreciseLinear(before, after, device="cpu", dtype=torch.float32)
            for before, after in widths
        )

    def forward(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """Map every layer.

        Args:
            layers: one tensor (B, D_j) per map.

        Returns:
            One tensor (B, E_j) per map.
        """
        return [linear(x) for linear, x in zip(self.maps, layers, strict=True)]
