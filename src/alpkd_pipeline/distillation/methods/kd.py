"""Knowledge distillation from outputs: L = beta * L_hard + eta * L_soft.

Source: Hinton, Vinyals, Dean 2015, arXiv 1503.02531. No layer is looked at.
"""

from __future__ import annotations

from alpkd_pipeline.distillation.method import Method


class Kd(Method):
    """The hard and the soft term."""
