"""Controls: layer matches in which one idea of other methods is missing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from alpkd_pipeline.distillation.buckets import bucket_mask, make_buckets
from alpkd_pipeline.distillation.losses.layer_attention import fuse
from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.precision import Reduction, raised
from alpkd_pipeline.distillation.method import Intermediate, LayerPairs, Method, Projection, Setup
from alpkd_pipeline.models.student import spread


class Uniform(Method):
    """Control for ALP-KD's attention: the plain mean of the teacher layers in its place.

        C_j = 1/|A(j)| sum_{k in A(j)} t_k;   L_inter = sum_{j=1..m} mean (s_j - C_j)^2

    A(j) holds all teacher layers. What `alp_kd` gains over this method is owed to its weights.
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        super().__init__(setup, reduction)
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        self.buckets = make_buckets(setup.spec.bucket or "all", m, n)
        self.mask: Tensor
        self.register_buffer("mask", bucket_mask(self.buckets, n), persistent=False)
        self.projection = Projection(setup, m)

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The error against the mean layer; no attention weights to report."""
        (teacher,) = raised(teacher)
        mask = self.mask.to(teacher.device, teacher.dtype)
        fused = fuse(mask / mask.sum(dim=1, keepdim=True), teacher)
        return Intermediate(layer_match(self.projection(student), fused, self.reduction))


class LastLayer(LayerPairs):
    """Control for matching many layers: only the last student layer follows the last teacher layer.

        L_inter = mean (s_m - t_n)^2

    One study finds that it beats elaborate layer maps (arXiv 2302.01530).
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        pairs = [(setup.sizes.student_layers, setup.sizes.teacher_layers)]
        super().__init__(setup, pairs, layer_match, reduction)


class RandomLayer(LayerPairs):
    """Control for layer choice: every student layer follows a teacher layer drawn from the seed.

        L_inter = sum_{j=1..m} mean (s_j - t_g(j))^2
        g(1) < ... < g(m): m of the layers 1..n, drawn without replacement

    The same seed draws the same layers on every machine. A method that cannot beat this one has not
    shown that its layer choice matters.
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        chosen = sorted(_drawn(setup, setup.sizes.teacher_layers))
        super().__init__(setup, list(enumerate(chosen, start=1)), layer_match, reduction)


class Shuffled(LayerPairs):
    """Control for the order of layers: those of `RandomLayer`, in the order of their drawing.

        L_inter = sum_{j=1..m} mean (s_j - t_p(j))^2
        p: the first m entries of a random permutation of 1..n

    The same seed draws the same layers for `random_layer`, so order alone is between the two; one
    draw in m! happens to be in order, every second for m = 2. With `drawn_from: skip` the evenly
    spread layers floor(j n/m + 1/2) are permuted, as in the study that asks whether layer choice
    matters (arXiv 2502.04499; its code, github.com/MANGA-UOFA/Layer-Selection, on tokens).
    """

    def __init__(
        self, setup: Setup, *, drawn_from: Literal["all", "skip"], reduction: Reduction
    ) -> None:
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        layers = tuple(range(1, n + 1)) if drawn_from == "all" else spread(m, n)
        chosen = [layers[k - 1] for k in _drawn(setup, len(layers))]
        super().__init__(setup, list(enumerate(chosen, start=1)), layer_match, reduction)


def _drawn(setup: Setup, layers: int) -> list[int]:
    """As many of so many layers as the student has, counted from 1, as the seed draws them."""
    generator = torch.Generator("cpu").manual_seed(setup.seed)
    order = torch.randperm(layers, generator=generator, device="cpu") + 1
    return order[: setup.sizes.student_layers].tolist()


class Reversed(LayerPairs):
    """Control for the order of layers: evenly spread teacher layers, deepest first.

        L_inter = sum_{j=1..m} mean (s_j - t_g(j))^2,   g(j) = n + 1 - floor(j n/m + 1/2)

    12 to 4: 10, 7, 4, 1. A method that cannot beat this one has not shown that order matters; one
    study finds that even such a match makes good students (arXiv 2502.04499).
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        m, n = setup.sizes.student_layers, setup.sizes.teacher_layers
        pairs = [(j, n + 1 - k) for j, k in enumerate(spread(m, n), start=1)]
        super().__init__(setup, pairs, layer_match, reduction)


class AllToOne(LayerPairs):
    """Control for layer choice: every student layer follows one and the same teacher layer.

        L_inter = sum_{j=1..m} mean (s_j - t_k)^2,   k = `teacher_layer`, 0 being the last

    A method that cannot beat this one has not shown that it matters which layer a student layer
    follows. Source: the study that asks just that (arXiv 2502.04499; its code,
    github.com/MANGA-UOFA/Layer-Selection, on tokens, with the outputs of the embeddings as one more
    student layer). Pooled layers, and no embeddings, are a choice of this project.
    """

    def __init__(self, setup: Setup, *, teacher_layer: int, reduction: Reduction) -> None:
        followed = teacher_layer or setup.sizes.teacher_layers
        pairs = [(j, followed) for j in range(1, setup.sizes.student_layers + 1)]
        super().__init__(setup, pairs, layer_match, reduction)
