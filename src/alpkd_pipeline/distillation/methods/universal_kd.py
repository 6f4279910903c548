"""Universal-KD: what student layers would answer follows what teacher layers would answer.

    p_j = W_j s_j,  j = 1..m-1;   q_k = V_k t_k,  k = 1..n-1;   both in R^C, without bias
    a_jk = softmax over k of <p_j, q_k>
    L_inter = sum_j 1/B sum_b KL( softmax(sum_k a_jk q_k) || softmax(p_j) )

The last layers are left out, since the soft term compares them already; a student of one layer is
refused. In a regression C = 1 and the divergence is a squared error. Beside `alp_kd` it asks
whether attention helps over output space. The equation stands in `losses/layer_attention.py`.
Source: Universal-KD (Wu, Passban, Rezagholizadeh, Liu, EMNLP 2021).

The W_j are learned beside the student. The V_k are fitted on the labels first, each by itself, and
then fixed: `prepare` does so before a training, on the rows that it trains on (those of a holdout
are not looked at), in the order that the teacher's seed draws. So all students of a teacher that
train on the same rows have the same V_k, and nothing needs to be kept. Choices of this project: the
fit, which begins at 0, passes three times over the rows and takes the loss of the hard term.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from alpkd_pipeline.distillation.losses.layer_attention import layer_outputs, output_match
from alpkd_pipeline.distillation.losses.precision import Reduction
from alpkd_pipeline.distillation.losses.soft import hard_loss
from alpkd_pipeline.distillation.method import (
    Intermediate,
    LabelledLayers,
    LayerMaps,
    Method,
    Setup,
)
from alpkd_pipeline.tasks.task import TaskKind

PASSES, BATCH, LR = 3, 32, 1e-3
"""Of the fit of the V_k: passes over the rows, rows a step, and the learning rate, which falls
linearly to 0."""


class UniversalKd(Method):
    """Divergence between mapped student layers and fused mapped teacher layers.

    Attributes:
        teacher_maps: the V_k (n-1, C, D_T); random until they are fitted.
    """

    def __init__(self, setup: Setup, *, reduction: Reduction) -> None:
        super().__init__(setup, reduction)
        sizes, classes = setup.sizes, setup.classes
        widths = [(sizes.student_width, classes)] * (sizes.student_layers - 1)
        self.student_maps = LayerMaps(widths, bias=False)
        bound = 1 / math.sqrt(sizes.teacher_width)
        shape = sizes.teacher_layers - 1, classes, sizes.teacher_width
        self.teacher_maps: Tensor
        drawn = torch.empty(shape, device="cpu", dtype=torch.float32).uniform_(-bound, bound)
        self.register_buffer("teacher_maps", drawn, persistent=False)

    def prepare(self, read: LabelledLayers, rows: Tensor, seed: int) -> None:
        """Fit the V_k on the labels."""
        self.teacher_maps.copy_(fit_outputs(read, rows, self.teacher_maps, self.setup.task, seed))

    def intermediate(self, student: Tensor, teacher: Tensor) -> Intermediate:
        """The divergence of all layers but the last."""
        ours = torch.stack(self.student_maps(student[:, :-1].unbind(dim=1)), dim=1)
        theirs = layer_outputs(teacher[:, :-1], self.teacher_maps.to(teacher.device))
        return Intermediate(output_match(ours, theirs, self.setup.task, self.reduction))


def fit_outputs(
    read: LabelledLayers, rows: Tensor, like: Tensor, task: TaskKind, seed: int
) -> Tensor:
    """The V_k with which teacher layers answer for themselves, each by itself.

        V_k = argmin 1/N sum_i L_hard( V_k t_k,i, y_i )

    `read` gives the teacher's layers (B, n, D) and the labels (B,) of some of the rows (N,); `like`
    has the shape (n-1, C, D) and the device. The problems are convex, so that where the fit begins
    does not matter; it is as good as `PASSES` passes make it.
    """
    maps = torch.zeros_like(like, requires_grad=True)
    optimiser = torch.optim.Adam([maps], lr=LR)
    steps = PASSES * math.ceil(len(rows) / BATCH)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
    generator = torch.Generator("cpu").manual_seed(seed)
    for _ in range(PASSES):
        order = rows[torch.randperm(len(rows), generator=generator)]
        for batch in torch.split(order, BATCH):
            layers, labels = read(batch)
            outputs = layer_outputs(layers[:, :-1], maps)
            loss = torch.stack([hard_loss(of, labels, task) for of in outputs.unbind(dim=1)]).sum()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            falling.step()
    return maps.detach()
