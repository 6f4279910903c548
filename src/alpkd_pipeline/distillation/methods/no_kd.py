"""Plain fine-tuning: L = beta * L_hard with beta = 1.

The baseline for every other method: the same student from the same starting weights, without its
teacher.
"""

from __future__ import annotations

from alpkd_pipeline.distillation.method import Method


class NoKd(Method):
    """The hard term alone."""
