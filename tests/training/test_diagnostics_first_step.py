"""What each term weighs where a training begins: the norms, the words, and that nothing moves."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.test_loop import SETTINGS, World, accelerator, weights
from torch import nn

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.devices import Accelerator
from alpkd_pipeline.training.diagnostics import say_gradients, weighted_gradients

__all__ = ["accelerator"]

WEIGHTS = {"hard": 0.1, "soft": 0.7, "intermediate": 0.2}


def terms_of(weight: nn.Parameter, intermediate: torch.Tensor | None = None) -> LossTerms:
    """3 w_1 + 4 w_2 and w_1^2: gradients (3, 4) and (2 w_1, 0)."""
    hard = 3 * weight[0] + 4 * weight[1]
    return LossTerms(hard, weight[0] ** 2, intermediate, hard)


def test_norms_by_hand() -> None:
    weight = nn.Parameter(torch.tensor([0.5, 2.0], dtype=torch.float64))
    found = weighted_gradients(terms_of(weight), {"hard": 0.1, "soft": 0.7}, [weight])
    assert found == pytest.approx({"hard": 0.1 * 5, "soft": 0.7 * 1})


def test_the_graph_and_the_gradients_stay() -> None:
    weight = nn.Parameter(torch.tensor([0.5, 2.0]))
    terms = terms_of(weight)
    weighted_gradients(terms, {"hard": 1.0, "soft": 1.0}, [weight])
    assert weight.grad is None
    terms.total.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [3.0, 4.0]


def test_constants_frozen_weights_and_single_terms() -> None:
    weight, frozen = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2), requires_grad=False)
    terms = terms_of(weight, intermediate=torch.zeros(()))
    found = weighted_gradients(terms, {"hard": 1.0, "intermediate": 0.5}, [weight, frozen])
    assert found == {"hard": pytest.approx(5.0), "intermediate": 0.0}
    assert weighted_gradients(terms, {"hard": 1.0}, [weight]) == {}
    assert weighted_gradients(terms, {"hard": 1.0, "soft": 0.0}, [weight]) == {}


def test_a_term_that_weighs_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        say_gradients("mrpc-kd", {"hard": 0.0131, "soft": 0.00068, "intermediate": 0.0731})
    info, warning = caplog.records
    assert info.getMessage() == (
        "mrpc-kd: weighted gradients at the first step: hard 0.0131, soft 0.00068,"
        " intermediate 0.0731"
    )
    assert warning.getMessage() == (
        "mrpc-kd: the soft term weighs nothing at the first step: its gradient of 0.00068 is under"
        " 1 % of the intermediate term's 0.073; with a larger method.eta it would have a say"
    )


def test_terms_that_all_weigh_something_are_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    say_gradients("x", {"hard": 0.01, "soft": 0.9})
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def three_terms(world: World) -> Callable[[Batch], LossTerms]:
    """Three terms of the toy, with a mask drawn at each step as dropout draws its own."""

    def step(batch: Batch) -> LossTerms:
        hard = world.squares(batch).hard
        soft = (world.model.weight * torch.rand(3)).square().sum()
        own = world.model.bias.square().sum() + world.model.weight.sum()
        return LossTerms(hard, soft, own, 0.1 * hard + 0.7 * soft + 0.2 * own)

    return step


@pytest.mark.parametrize("accumulation", [1, 2])
def test_the_look_changes_no_number(
    tmp_path: Path, accelerator: Accelerator, accumulation: int
) -> None:
    found: list[Any] = []
    for name, given in (("with", WEIGHTS), ("without", {})):
        world = World(tmp_path / name, accelerator)
        settings = replace(SETTINGS, epochs=2, accumulation=accumulation)
        torch.manual_seed(7)
        world.fit(settings, step=three_terms(world), term_weights=given)
        steps = world.events("step")
        found.append((weights(world.model).tolist(), [s["loss"] for s in steps]))
        # Once, in the line of the first step.
        assert [set(s.get("gradients", ())) for s in steps[1:]] == [set()] * (len(steps) - 1)
        assert set(steps[0].get("gradients", ())) == set(given)
    assert found[0] == found[1]
