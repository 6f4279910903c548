from __future__ import annotations

import random

import numpy as np
import torch

from alpkd_pipeline.training.checkpoint import (
    random_state,
    remember_draws,
    restore_random_state,
)


def test_generators_are_put_back() -> None:
    random.gauss(0, 1)
    np.random.standard_normal()  # leaves a second number behind
    state = random_state()

    def draw() -> list[float]:
        return [
            random.random(),
            random.gauss(0, 1),
            float(np.random.standard_normal()),
            float(np.random.rand()),
            float(torch.rand(())),
        ]

    first = draw()
    restore_random_state(state)
    assert draw() == first != draw()
    assert all(isinstance(values, torch.Tensor) for values in state.values())


def test_a_generator_of_a_gpu_that_is_not_here_is_left_out() -> None:
    state = random_state()
    expected = torch.rand(())
    restore_random_state({**state, "cuda.63": torch.zeros(16, dtype=torch.uint8)})
    assert torch.rand(()) == expected


def test_what_a_model_drew_is_drawn_again() -> None:
    put_back = remember_draws(torch.device("cpu"))
    first = torch.rand(3)
    put_back()
    assert torch.equal(torch.rand(3), first)
