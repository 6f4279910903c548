"""BERT-of-Theseus: student blocks take the places of groups of teacher blocks, more and more often.

    y_j = r_j S_j(y_j-1) + (1 - r_j) T_j(y_j-1),   r_j ~ Bernoulli(p),   j = 1..m
    p(t) = min( 1, p_0 + (1 - p_0) t / (u N) ),   t = 0..N-1
    L = beta * L_hard

y_0 is what the student's embeddings give and y_m what its head reads; S_j is block j of the
student, T_j the teacher's blocks from (j - 1) n/m + 1 to j n/m one after another, N the number of
all steps of the optimiser. Each draw holds for one step, that is for all rows of its batches. p_0
is `replace_from` and u is `replace_until`: with p = 1 the student is fine-tuned alone. Evaluated
and kept is the student, without any block of its teacher.

Nothing compares the two models, and no answer of the teacher is read: its blocks, which do not
learn, pass the gradient on to the student's blocks below them. A block that did not run has no
gradient in that step, so AdamW leaves it as it is. The event log shows `watch.replaced`, the share
of the student's blocks that ran.

Source: Xu, Zhou, Ge, Wei, Zhou, EMNLP 2020, arXiv 2002.02925, with their curriculum
p(t) = min(1, k t + b); groups and draws as in their code (github.com/JetRunner/BERT-of-Theseus).
Choices of this project: k follows from a share of all steps, since trainings differ in length, and
both defaults are ours; a draw holds for all batches of a step; the teacher's blocks run without
dropout; the student's embeddings and head learn too, as with every other method (there the blocks
alone learn; `training.freeze_embeddings` comes closer).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from alpkd_pipeline.distillation.method import Method, Setup
from alpkd_pipeline.distillation.signals import LossTerms, Signal

_STREAM = 0x5419  # keeps the draws apart from others of the same seed


class Theseus(Method):
    """The hard loss of a student in which blocks of its teacher stand in."""

    def __init__(self, setup: Setup, *, replace_from: float, replace_until: float) -> None:
        super().__init__(setup)
        self.replace_from, self.replace_until = replace_from, replace_until
        self.own_blocks = (True,) * setup.sizes.student_layers

    def probability(self, step: int, steps: int) -> float:
        """p of a step, counted from 0, of so many."""
        start = self.replace_from
        return min(1.0, start + (1.0 - start) * step / (self.replace_until * steps))

    def begin_step(self, step: int, steps: int) -> None:
        """Draw which blocks run in a step: from the seed and its number, whatever came before."""
        draw = np.random.Generator(np.random.PCG64([self.setup.seed, _STREAM, step]))
        drawn = draw.random(len(self.own_blocks))
        self.own_blocks = tuple((drawn < self.probability(step, steps)).tolist())

    def forward(
        self, student: Signal, teacher: Signal | None, labels: Tensor, *, rest: bool = False
    ) -> LossTerms:
        """The loss of one batch, and the share of the student's blocks that ran."""
        terms = super().forward(student, teacher, labels, rest=rest)
        share = sum(self.own_blocks) / len(self.own_blocks)
        return replace(terms, watch={"replaced": terms.hard.detach().new_full((), share)})
