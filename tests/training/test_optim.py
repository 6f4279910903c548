from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from alpkd_pipeline.training.optim import decay_left, lr_factor, make_adamw, set_lr, warmup_steps


def test_schedule_by_hand() -> None:
    # 10 steps, 2 of warm-up: up to 1 in two steps, then down to 0 in the eight that are left.
    factors = [lr_factor(step, 10, 2) for step in range(11)]
    assert factors == pytest.approx([0.5, 1, 1, 7 / 8, 6 / 8, 5 / 8, 4 / 8, 3 / 8, 2 / 8, 1 / 8, 0])


def test_no_warmup_starts_at_the_full_rate() -> None:
    assert [lr_factor(s, 4, 0) for s in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_warmup_steps_round_down() -> None:
    assert warmup_steps(79, 0.1) == 7
    assert warmup_steps(9, 0.1) == 0


def test_only_matrices_decay() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.LayerNorm(2))
    decayed, plain = make_adamw(model.parameters(), lr=1.0, weight_decay=0.5).param_groups
    assert [p.shape for p in decayed["params"]] == [(2, 3)]
    assert decayed["weight_decay"] == 0.5
    assert len(plain["params"]) == 3
    assert plain["weight_decay"] == 0.0


def test_frozen_parameters_are_left_out() -> None:
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    decayed, plain = make_adamw(model.parameters(), 1.0, 0.0).param_groups
    assert len(decayed["params"]) == 1
    assert plain["params"] == []


def test_set_lr_reaches_every_group() -> None:
    optimiser = make_adamw(nn.Linear(3, 2).parameters(), 0.5, 0.0)
    set_lr(optimiser, 0.3)
    assert [g["lr"] for g in optimiser.param_groups] == [0.3, 0.3]


def test_what_has_a_rate_of_its_own_keeps_its_share_of_the_schedule() -> None:
    model, gate = nn.Linear(3, 2), nn.Linear(2, 2)
    rates = dict.fromkeys(gate.parameters(), 0.001)
    optimiser = make_adamw([*model.parameters(), *gate.parameters()], 0.5, 0.1, rates)
    set_lr(optimiser, 0.25)
    found = {p: (g["lr"], g["weight_decay"]) for g in optimiser.param_groups for p in g["params"]}
    assert found[model.weight] == (0.25, 0.1)
    assert found[model.bias] == (0.25, 0.0)
    assert found[gate.weight] == (pytest.approx(0.0005), 0.1)
    assert found[gate.bias] == (pytest.approx(0.0005), 0.0)


def test_what_decay_leaves_is_what_adamw_leaves() -> None:
    weight = nn.Parameter(torch.full((2, 3), 5.0))
    optimiser = make_adamw([weight], 0.5, 0.25)
    for step in range(7):
        set_lr(optimiser, 0.5 * lr_factor(step, 10, 2))
        weight.grad = torch.zeros_like(weight)
        optimiser.step()
    left = decay_left(7, 10, 2, 0.5, 0.25)
    assert left < 0.6
    assert weight.detach().numpy() == pytest.approx(np.full((2, 3), 5.0 * left), rel=1e-6)
    assert decay_left(0, 10, 2, 0.5, 0.25) == 1.0
