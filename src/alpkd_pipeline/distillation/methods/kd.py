"""Methods that look at no layer."""

from __future__ import annotations

from alpkd_pipeline.distillation.method import Method


class Kd(Method):
    """Knowledge distillation from outputs: L = beta * L_hard + eta * L_soft.

    Source: Hinton, Vinyals, Dean 2015, arXiv 1503.02531.
    """


class NoKd(Method):
    """Plain fine-tuning: L = beta * L_hard with beta = 1.

    The baseline for every other method: the same student from the same starting weights, without
    its teacher.
    """
