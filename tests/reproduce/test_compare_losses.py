from __future__ import annotations

import pytest
from tests.reproduce.conftest import Make

from alpkd_pipeline.reproduce.compare import compare_losses, compare_models
from alpkd_pipeline.reproduce.original import StoredRun


def test_the_first_step_that_differs_and_by_how_much(then: StoredRun, now: Make) -> None:
    losses = compare_models(then, now(losses=(0.75, 0.5000001, 0.5))).losses
    assert (losses.first, losses.then, losses.now) == (2, 0.5, 0.5000001)
    assert losses.largest == 0.25
    assert losses.rate_from is None


def test_a_training_that_ended_earlier_differs_where_it_ended(then: StoredRun, now: Make) -> None:
    losses = compare_models(then, now(losses=(0.75, 0.5))).losses
    assert (losses.first, losses.then, losses.now) == (3, 0.25, None)


def test_another_learning_rate_is_seen_even_at_equal_losses(then: StoredRun, now: Make) -> None:
    losses = compare_models(then, now(rates=(1e-4, 4e-4, 6e-4))).losses
    assert losses.equal
    assert losses.rate_from == 2


@pytest.mark.parametrize("kind", ["loss", "weighted"])
def test_every_term_counts(kind: str) -> None:
    step = {"event": "step", "step": 1, "loss": {"soft": 1.0}, "weighted": {"soft": 1.0}}
    assert compare_losses([step], [step]).equal
    assert compare_losses([step], [{**step, kind: {"soft": 2.0}}]).first == 1
