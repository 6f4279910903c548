"""Control for layer choice: every student layer follows a teacher layer drawn from the seed.

    L_inter = sum_{j=1..m} mean (s_j - t_g(j))^2
    g(1) < ... < g(m): m of the layers 1..n, drawn without replacement

The same seed draws the same layers on every machine. A method that cannot beat this one has not
shown that its layer choice matters.
"""

from __future__ import annotations

import torch

from alpkd_pipeline.distillation.layer_pairs import LayerPairs
from alpkd_pipeline.distillation.losses.layer_match import layer_match
from alpkd_pipeline.distillation.losses.reduction import Reduction
from alpkd_pipeline.distillation.method import Setup


class RandomLayer(LayerPairs):
    """Squared error over randomly drawn pairs in increasing order."""

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        generator = torch.Generator("cpu").manual_seed(setup.seed)
        order = torch.randperm(setup.sizes.teacher_layers, generator=generator, device="cpu") + 1
        chosen = sorted(order[: setup.sizes.student_layers].tolist())
        super().__init__(setup, list(enumerate(chosen, start=1)), layer_match, reduction)
