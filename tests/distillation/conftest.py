"""Signals and methods small enough to work out by hand, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from alpkd_pipeline.distillation import Signal, build_method
from alpkd_pipeline.distillation.method import Method

BuildMethod = Callable[..., Method]
WavySignal = Callable[..., Signal]


def waves(*shape: int, phase: float = 0.0) -> Tensor:
    """Fixed numbers between -1 and 1 that no random generator has a say in."""
    steps = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
    return torch.sin(0.7 * steps + phase).reshape(shape)


@pytest.fixture(scope="session")
def wavy() -> WavySignal:
    def make(
        layers: int = 0,
        width: int = 4,
        *,
        examples: int = 3,
        classes: int = 2,
        phase: float = 0.0,
        grad: bool = False,
    ) -> Signal:
        logits = waves(examples, classes, phase=phase).requires_grad_(grad)
        if not layers:
            return Signal(logits)
        pooled = waves(examples, layers, width, phase=phase + 1).requires_grad_(grad)
        return Signal(logits, pooled)

    return make


@pytest.fixture
def build() -> BuildMethod:
    """`build_method` for a teacher of 6 layers and a student of 3, all 4 wide."""

    def make(name: str, **changes: object) -> Method:
        sizes: dict[str, object] = {
            "teacher_layers": 6,
            "student_layers": 3,
            "teacher_width": 4,
            "student_width": 4,
        }
        return build_method(name, **(sizes | changes))  # type: ignore[arg-type]

    return make
