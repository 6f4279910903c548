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


STUDENT_LAYERS, TOKENS, HEADS = 3, 5, 2


def tokens(examples: int, width: int, phase: float, grad: bool) -> dict[str, Tensor]:
    """The token-level signals that methods for a student of 3 layers ask for, on both sides."""
    shapes = {
        "states": (examples, STUDENT_LAYERS + 1, TOKENS, width),
        "scores": (examples, STUDENT_LAYERS, HEADS, TOKENS, TOKENS),
        "qkv": (examples, 1, 3, TOKENS, width),
    }
    made = {name: waves(*shape, phase=phase + 2) for name, shape in shapes.items()}
    # The last two tokens of the second example are padding.
    mask = torch.ones(examples, TOKENS, dtype=torch.long)
    mask[1:2, -2:] = 0
    return {**{name: value.requires_grad_(grad) for name, value in made.items()}, "mask": mask}


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
        return Signal(logits, pooled, **tokens(examples, width, phase, grad))

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
            "teacher_heads": HEADS,
            "student_heads": HEADS,
        }
        return build_method(name, **(sizes | changes))  # type: ignore[arg-type]

    return make
