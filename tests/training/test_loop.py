"""The loop on a toy model with a hand-made step: its order, its numbers, its event log."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training.toys import loaded
from torch import Tensor, nn

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.event_log import EventLog, read_event_log
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.training.batching import Batch, Selection
from alpkd_pipeline.training.devices import Accelerator, Hardware, accelerator_for
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.loop import fit
from alpkd_pipeline.training.progress import Evaluation, FitResult
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.update import DivergedError

WIDTH = 3
SETTINGS = TrainingSettings(
    epochs=1,
    batch_size=2,
    lr=0.1,
    warmup_ratio=0.0,
    weight_decay=0.0,
    max_grad_norm=1e9,
    selection="dev",
    log_every=1,
    checkpoint_every="never",
)


IDS = 100
"""Row i has the example id i + IDS."""


def rows_of_three(count: int) -> EncodedSplit:
    """Rows of three small numbers, all of one length, so that no row is padded."""
    draw = np.random.default_rng(3)
    return EncodedSplit(
        offsets=np.arange(count + 1) * WIDTH,
        input_ids=draw.integers(1, 9, size=count * WIDTH).astype(np.int32),
        token_type_ids=None,
        labels=np.linspace(-1, 1, count),
        idx=np.arange(count) + IDS,
        max_length=WIDTH,
        cut_rows=0,
    )


@pytest.fixture
def accelerator() -> Iterator[Accelerator]:
    with accelerator_for(Hardware("cpu", "toy", "fp32", 1)) as made:
        yield made


class World:
    """A linear model, and everything that `fit` does with it."""

    def __init__(self, folder: Path, accelerator: Accelerator, rows: int = 8) -> None:
        self.folder, self.accelerator = folder, accelerator
        self.train = rows_of_three(rows)
        self.model = nn.Linear(WIDTH, 1)
        with torch.no_grad():
            self.model.weight.fill_(0.1)
            self.model.bias.zero_()
        self.batches: list[list[int]] = []
        self.story: list[str] = []
        self.left: list[float] = []

    def squares(self, batch: Batch) -> LossTerms:
        """The mean squared error of the linear model."""
        self.batches.append(batch.rows.tolist())
        self.story.append("step")
        said = self.model(batch.inputs["input_ids"].float())[:, 0]
        loss = ((said - batch.labels) ** 2).mean()
        return LossTerms(hard=loss, soft=None, intermediate=None, total=loss)

    def saying(self, *values: float) -> Callable[[Batch], LossTerms]:
        """A step whose loss is what the list says, whatever the model does, and its gradient 0."""
        left = iter(values)

        def step(batch: Batch) -> LossTerms:
            self.batches.append(batch.rows.tolist())
            nothing = self.model.weight.sum() * 0
            hard, soft = nothing + next(left), nothing + 10.0
            return LossTerms(hard=hard, soft=soft, intermediate=None, total=hard)

        return step

    def fit(
        self,
        settings: TrainingSettings = SETTINGS,
        step: Callable[[Batch], LossTerms] | None = None,
        scores: Iterable[float] | None = None,
        **more: Any,
    ) -> FitResult:
        told = iter(scores if scores is not None else [i / 100 for i in range(10, 90)])
        world = self

        class Judge:
            def evaluate(self) -> Evaluation:
                world.story.append("evaluate")
                time.sleep(more.get("pause", 0.0))
                value = next(told)
                first = more.get("metric", "accuracy")
                return Evaluation({first: value, "f1": 1 - value}, more.get("details", {}))

            def keep_best(self, found: Evaluation, step: int, left: float) -> None:
                world.story.append(f"keep {found.primary:g}")
                world.left.append(left)

        learner = Learner(
            loaded(self.model, self.accelerator),
            step or self.squares,
            term_weights=more.get("term_weights", {}),
            begin_epoch=more.get("begin_epoch", lambda epoch: None),
            whole_batches=more.get("whole_batches", False),
        )
        params = {"training": asdict(settings), "seed": more.get("seed", 0)}
        run = RunConfig(self.folder, "student", "toy", TASK, params, {})
        rows = more.get("rows", np.arange(len(self.train)))
        chosen = Selection(self.train, rows, "dev", self.train, rows, "dev")
        with EventLog(self.folder) as event_log:
            return fit(learner, Judge(), run, chosen, event_log=event_log)

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in read_event_log(self.folder)[0] if event["event"] == kind]


@pytest.fixture
def world(tmp_path: Path, accelerator: Accelerator) -> World:
    return World(tmp_path, accelerator)


def weights(model: nn.Linear) -> Tensor:
    return torch.cat([model.weight.detach().ravel(), model.bias.detach()])


# What is trained on ------------------------------------------------------------------------------


def test_every_row_once_an_epoch(world: World) -> None:
    result = world.fit(replace(SETTINGS, epochs=2))
    first, second = world.batches[:4], world.batches[4:]
    for epoch in (first, second):
        assert sorted(row for batch in epoch for row in batch) == list(range(8))
    assert first != second
    assert (result.steps, result.epochs, result.examples) == (8, 2, 16)


def test_only_the_chosen_rows(world: World) -> None:
    result = world.fit(rows=np.array([1, 4, 6]))
    assert sorted(row for batch in world.batches for row in batch) == [1, 4, 6]
    assert (result.steps, result.examples) == (2, 3)


def test_the_seed_decides_the_order(tmp_path: Path, accelerator: Accelerator) -> None:
    def order(name: str, seed: int) -> list[list[int]]:
        world = World(tmp_path / name, accelerator)
        world.fit(seed=seed)
        return world.batches

    assert order("a", 0) == order("b", 0) != order("c", 1)


def test_it_learns(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=30, lr=0.02))
    losses = [event["loss"]["total"] for event in world.events("step")]
    assert np.mean(losses[-4:]) < 0.25 * np.mean(losses[:4])


def test_the_first_step_by_hand(world: World) -> None:
    # AdamW's first step is lr * g / (|g| + eps): the rate itself, against the gradient's sign.
    said = world.model(torch.from_numpy(world.train.input_ids).reshape(8, 3).float())[:, 0]
    signs = torch.autograd.grad(
        ((said - torch.from_numpy(world.train.labels)) ** 2).mean(), list(world.model.parameters())
    )
    before = weights(world.model)
    world.fit(replace(SETTINGS, batch_size=8, lr=0.25))
    moved = weights(world.model) - before
    expected = -0.25 * torch.cat([g.ravel() for g in signs]).sign()
    assert moved.tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_the_learning_rate_is_that_of_the_schedule(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=2, lr=0.8, warmup_ratio=0.25))
    # 8 steps, 2 of them warm-up, then down to 0 in 6.
    expected = [0.4, 0.8, 0.8, 0.8 * 5 / 6, 0.8 * 4 / 6, 0.4, 0.8 * 2 / 6, 0.8 / 6]
    assert [event["lr"] for event in world.events("step")] == pytest.approx(expected)


def test_gradients_are_clipped_and_their_norm_before_that_is_told(world: World) -> None:
    sgd: list[Tensor] = []

    def step(batch: Batch) -> LossTerms:
        terms = world.squares(batch)
        (grad,) = torch.autograd.grad(terms.total, [world.model.weight], retain_graph=True)
        (bias,) = torch.autograd.grad(terms.total, [world.model.bias], retain_graph=True)
        sgd.append(torch.cat([grad.ravel(), bias]))
        return terms

    world.fit(replace(SETTINGS, batch_size=8, max_grad_norm=1e-30), step=step)
    (event,) = world.events("step")
    assert event["grad_norm"] == pytest.approx(float(sgd[0].norm()), rel=1e-5)
    # A gradient of 1e-30 is nothing beside Adam's eps of 1e-8.
    assert weights(world.model).tolist() == pytest.approx([0.1, 0.1, 0.1, 0.0], abs=1e-6)


# Accumulation ------------------------------------------------------------------------------------


def pair(
    tmp_path: Path, accelerator: Accelerator, rows: int, small: int, accumulation: int
) -> tuple[World, World]:
    """The same training with small batches that are accumulated, and with one large batch."""
    epochs = 5
    many, one = (World(tmp_path / name, accelerator, rows) for name in ("many", "one"))
    many.fit(replace(SETTINGS, epochs=epochs, batch_size=small, accumulation=accumulation))
    one.fit(replace(SETTINGS, epochs=epochs, batch_size=small * accumulation))
    return many, one


def norms(world: World) -> list[float]:
    return [event["grad_norm"] for event in world.events("step")]


@pytest.mark.parametrize(("small", "accumulation"), [(2, 4), (1, 8), (4, 2)])
def test_accumulated_batches_equal_one_large_batch(
    tmp_path: Path, accelerator: Accelerator, small: int, accumulation: int
) -> None:
    many, one = pair(tmp_path, accelerator, 8, small, accumulation)
    assert norms(many) == pytest.approx(norms(one), rel=1e-4)
    assert torch.allclose(weights(many.model), weights(one.model), atol=1e-5)
    assert [e["loss"]["total"] for e in many.events("step")] == pytest.approx(
        [e["loss"]["total"] for e in one.events("step")], rel=1e-4
    )


def test_accumulation_weighs_every_row_the_same(tmp_path: Path, accelerator: Accelerator) -> None:
    many, one = pair(tmp_path, accelerator, 7, 2, 4)
    assert norms(many) == pytest.approx(norms(one), rel=1e-4)


def test_the_last_group_of_an_epoch_may_be_smaller(world: World) -> None:
    # 4 batches in groups of 3: the second group is a single batch, and a full step of its own.
    result = world.fit(replace(SETTINGS, accumulation=3))
    assert (result.steps, len(world.batches)) == (2, 4)


def test_a_small_last_group_is_not_divided_by_the_size_of_a_whole_one(
    tmp_path: Path, accelerator: Accelerator
) -> None:
    # 2 batches, groups of 4: one group of two, the mean of both.
    few, whole = (World(tmp_path / name, accelerator, 4) for name in ("few", "whole"))
    few.fit(replace(SETTINGS, accumulation=4))
    whole.fit(replace(SETTINGS, batch_size=4))
    assert norms(few) == pytest.approx(norms(whole), rel=1e-5)


# Evaluation --------------------------------------------------------------------------------------


def test_the_order_of_an_epoch(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=2, batch_size=4), scores=[0.5, 0.6])
    epoch = ["step", "step", "evaluate"]
    assert world.story == [*epoch, "keep 0.5", *epoch, "keep 0.6"]


def test_only_better_weights_are_kept_and_the_first_of_equals(world: World) -> None:
    result = world.fit(replace(SETTINGS, epochs=5, batch_size=8), scores=[0.5, 0.7, 0.6, 0.7, 0.1])
    assert [line for line in world.story if line.startswith("keep")] == ["keep 0.5", "keep 0.7"]
    assert (result.best_step, result.best_epoch) == (2, 2)
    assert result.best.scores == {"accuracy": 0.7, "f1": pytest.approx(0.3)}
    assert [event["best"] for event in world.events("eval")] == [True, True, False, False, False]


def test_the_first_score_decides(world: World) -> None:
    assert Evaluation({"matthews": 0.2, "accuracy": 0.9}).primary == 0.2
    result = world.fit(replace(SETTINGS, epochs=2, batch_size=8), scores=[0.2, 0.1])
    assert result.best_epoch == 1


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_the_smallest_error_is_the_best(world: World, metric: str) -> None:
    settings = replace(SETTINGS, epochs=5, batch_size=8)
    result = world.fit(settings, scores=[0.7, 0.5, 0.6, 0.5, 0.9], metric=metric)
    assert [line for line in world.story if line.startswith("keep")] == ["keep 0.7", "keep 0.5"]
    assert (result.best_epoch, result.best.primary) == (2, 0.5)
    assert [event["best"] for event in world.events("eval")] == [True, True, False, False, False]


def test_patience_waits_for_a_smaller_error(world: World) -> None:
    settings = replace(SETTINGS, epochs=6, batch_size=8, patience=2)
    result = world.fit(settings, scores=[0.5, 0.6, 0.4, 0.5, 0.9, 0.1], metric="rmse")
    assert (result.epochs, result.best_epoch) == (5, 3)


def test_a_negative_score_may_be_the_best(world: World) -> None:
    result = world.fit(replace(SETTINGS, epochs=2, batch_size=8), scores=[-0.5, -0.2])
    assert result.best.primary == -0.2


@pytest.mark.parametrize(
    ("every", "at"),
    [("epoch", [4, 8]), (3, [3, 6, 8]), (4, [4, 8]), (8, [8]), (100, [8])],
)
def test_evaluation_every_n_steps_and_always_at_the_end(
    world: World, every: int | str, at: list[int]
) -> None:
    world.fit(replace(SETTINGS, epochs=2, eval_every=every))
    events = world.events("eval")
    assert [event["step"] for event in events] == at
    assert [event["epoch"] for event in events] == [1 if step <= 4 else 2 for step in at]


def test_it_stops_when_nothing_gets_better(world: World) -> None:
    scores = [0.5, 0.7, 0.6, 0.7, 0.8]
    result = world.fit(replace(SETTINGS, epochs=5, batch_size=8, patience=2), scores=scores)
    assert (result.epochs, result.steps, result.best_epoch) == (4, 4, 2)


def test_patience_ends_an_epoch_in_its_middle(world: World) -> None:
    settings = replace(SETTINGS, epochs=3, batch_size=1, eval_every=2, patience=2)
    result = world.fit(settings, scores=[0.5, 0.4, 0.3, 0.9, 0.9, 0.9])
    assert [event["step"] for event in world.events("eval")] == [2, 4, 6]
    assert (result.steps, result.epochs, result.best_step) == (6, 1, 2)


def test_patience_starts_again_with_each_gain(world: World) -> None:
    scores = [0.5, 0.4, 0.6, 0.5, 0.7]
    result = world.fit(replace(SETTINGS, epochs=5, batch_size=8, patience=2), scores=scores)
    assert (result.epochs, result.best_epoch) == (5, 5)


def test_without_patience_it_goes_on(world: World) -> None:
    result = world.fit(replace(SETTINGS, epochs=4, batch_size=8), scores=[0.5, 0.4, 0.3, 0.2])
    assert (result.epochs, result.best_epoch) == (4, 1)


def test_details_of_an_evaluation_are_written_down(world: World) -> None:
    result = world.fit(details={"attention": {"entropy": [0.5]}})
    (event,) = world.events("eval")
    assert event["attention"] == {"entropy": [0.5]}
    assert event["scores"] == {"accuracy": 0.1, "f1": 0.9}
    assert result.best.details == {"attention": {"entropy": [0.5]}}


def test_the_time_of_evaluations_is_told_apart(world: World) -> None:
    result = world.fit(replace(SETTINGS, epochs=2, log_every=2), pause=0.2)
    assert 0.4 <= result.evaluation_seconds < result.seconds
    # The line of step 6 spans steps 5 and 6 and not the evaluation before them.
    assert world.events("step")[3]["examples_per_second"] > 4 / 0.2


# The event log ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("every", "steps"),
    [(1, [1, 2, 3, 4, 5, 6, 7, 8]), (3, [1, 3, 6, 8]), (4, [1, 4, 8]), (100, [1, 8])],
)
def test_logged_steps(world: World, every: int, steps: list[int]) -> None:
    world.fit(replace(SETTINGS, epochs=2, log_every=every))
    assert [event["step"] for event in world.events("step")] == steps


def test_a_logged_loss_is_the_mean_since_the_last_line(world: World) -> None:
    losses = (1.0, 2.0, 4.0, 8.0)
    world.fit(replace(SETTINGS, log_every=3), step=world.saying(*losses))
    # Lines at steps 1, 3 and 4.
    assert [event["loss"]["total"] for event in world.events("step")] == [1.0, 3.0, 8.0]


def test_the_last_steps_are_written_when_patience_ends_between_two_lines(world: World) -> None:
    settings = replace(SETTINGS, epochs=3, batch_size=1, log_every=4, eval_every=3, patience=1)
    losses = [float(2**i) for i in range(24)]
    world.fit(settings, step=world.saying(*losses), scores=[0.5, 0.4])
    found = [(event["step"], event["loss"]["total"]) for event in world.events("step")]
    # 1, the mean of 2, 4 and 8, the mean of 16 and 32
    assert found == [(1, 1.0), (4, 14 / 3), (6, 24.0)]
    last = world.events("step")[-1]
    assert last["epoch"] == 0.75
    assert last["lr"] == pytest.approx(0.1 * (24 - 5) / 24)
    assert last["grad_norm"] == 0.0


def test_a_step_is_written_once_when_patience_ends_at_a_line(world: World) -> None:
    settings = replace(SETTINGS, epochs=3, batch_size=1, log_every=3, eval_every=3, patience=1)
    world.fit(settings, scores=[0.5, 0.4])
    assert [event["step"] for event in world.events("step")] == [1, 3, 6]


def test_what_is_watched_is_averaged_beside_the_losses(world: World) -> None:
    seen = iter([1.0, 2.0, 4.0, 8.0])

    def step(batch: Batch) -> LossTerms:
        watch = {"variance": torch.tensor(next(seen))}
        return replace(world.squares(batch), watch=watch)

    world.fit(replace(SETTINGS, log_every=3), step=step)
    # Lines at steps 1, 3 and 4.
    assert [event["watch"] for event in world.events("step")] == [
        {"variance": 1.0},
        {"variance": 3.0},
        {"variance": 8.0},
    ]
    world.fit()
    assert "watch" not in world.events("step")[-1]


def test_each_epoch_is_announced_before_its_first_step(world: World) -> None:
    settings = replace(SETTINGS, epochs=2, batch_size=4)
    world.fit(settings, begin_epoch=lambda epoch: world.story.append(f"epoch {epoch}"))
    started = [line for line in world.story if line.startswith(("epoch", "step"))]
    assert started == ["epoch 0", "step", "step", "epoch 1", "step", "step"]


def test_losses_of_accumulated_batches_are_averaged(world: World) -> None:
    world.fit(replace(SETTINGS, accumulation=2), step=world.saying(1.0, 2.0, 4.0, 8.0))
    assert [event["loss"]["total"] for event in world.events("step")] == [1.5, 6.0]


def test_terms_are_written_as_they_are_and_weighted(world: World) -> None:
    weights_of_terms = {"hard": 0.5, "soft": 0.25, "intermediate": 2.0}
    world.fit(step=world.saying(1.0, 2.0, 3.0, 4.0), term_weights=weights_of_terms)
    first = world.events("step")[0]
    assert first["loss"] == {"hard": 1.0, "soft": 10.0, "total": 1.0}
    assert first["weighted"] == {"hard": 0.5, "soft": 2.5}


def test_the_epoch_of_a_step_is_a_fraction(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=2))
    epochs = [event["epoch"] for event in world.events("step")]
    assert epochs == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]


def test_usage_and_speed_are_written(world: World) -> None:
    world.fit()
    for event in world.events("step"):
        assert event["examples_per_second"] > 0
        assert 0 < event["data_percent"] < 100
        assert event["memory_mb"] > 10


def test_each_epoch_says_how_it_went(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=2, eval_every=3))
    first, second = world.events("epoch")
    assert (first["epoch"], first["step"], second["epoch"], second["step"]) == (1, 4, 2, 8)
    for event in (first, second):
        assert event["padding_percent"] == 0.0
        assert event["tokens_per_second"] == pytest.approx(
            3 * event["examples_per_second"], rel=0.1
        )
        assert 0 < event["data_percent"] < 100
        assert event["seconds"] > 0


def test_the_log_names_scores_only_where_there_are_some(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    world.fit(replace(SETTINGS, epochs=2, eval_every=8))
    first, second = (m for m in caplog.messages if m.startswith("toy: epoch"))
    assert first.startswith("toy: epoch 1/2, ")
    assert "dev" not in first
    assert second.startswith("toy: epoch 2/2, dev accuracy 0.1000, f1 0.9000, ")


def test_a_kept_model_hears_what_decay_has_left(world: World) -> None:
    world.fit(replace(SETTINGS, epochs=2, weight_decay=0.5, batch_size=4))
    rates = [0.1 * factor for factor in (1.0, 0.75, 0.5, 0.25)]
    kept = [1 - 0.5 * rate for rate in rates]
    assert world.left == pytest.approx([math.prod(kept[:2]), math.prod(kept)])


# Losses and gradients that are not finite --------------------------------------------------------


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_it_stops_at_the_first_loss_that_is_not_finite(world: World, value: float) -> None:
    with pytest.raises(DivergedError) as caught:
        world.fit(step=world.saying(1.0, 1.0, value, 1.0))
    ids = ", ".join(str(row + IDS) for row in world.batches[-1])
    line = str(caught.value)
    assert f"the loss became {value} at step 3 (epoch 1)" in line
    assert f"example ids {ids}:" in line
    assert "\n" not in line
    assert len(world.batches) == 3
    assert [event["step"] for event in world.events("step")] == [1, 2]


def test_weights_are_not_touched_by_such_a_step(world: World) -> None:
    before = weights(world.model)
    with pytest.raises(DivergedError):
        world.fit(step=world.saying(math.nan))
    assert torch.equal(weights(world.model), before)


def test_the_best_weights_so_far_were_kept(world: World) -> None:
    losses = [1.0] * 4 + [math.nan]
    with pytest.raises(DivergedError, match=r"at step 5 \(epoch 2\)"):
        world.fit(replace(SETTINGS, epochs=2), step=world.saying(*losses), scores=[0.5])
    assert "keep 0.5" in world.story


def test_a_finite_loss_may_have_such_a_gradient(world: World) -> None:
    def step(batch: Batch) -> LossTerms:
        # The square root of zero: a loss of 0 with a slope that is infinite.
        zero = world.model.weight - world.model.weight.detach()
        loss = zero.sqrt().sum()
        return LossTerms(hard=loss, soft=None, intermediate=None, total=loss)

    before = weights(world.model)
    with pytest.raises(DivergedError, match="the gradient became inf at step 1"):
        world.fit(step=step)
    assert torch.equal(weights(world.model), before)


def test_ids_are_those_of_all_accumulated_batches(world: World) -> None:
    with pytest.raises(DivergedError) as caught:
        world.fit(replace(SETTINGS, accumulation=2), step=world.saying(1.0, math.nan))
    named = str(caught.value).split("example ids ")[1].split(":")[0]
    rows = world.batches[0] + world.batches[1]
    assert named == ", ".join(str(row + IDS) for row in rows)


def test_a_long_list_of_ids_is_cut(tmp_path: Path, accelerator: Accelerator) -> None:
    world = World(tmp_path, accelerator, rows=12)
    with pytest.raises(DivergedError) as caught:
        world.fit(replace(SETTINGS, batch_size=12), step=world.saying(math.nan))
    named = str(caught.value).split("example ids ")[1].split(":")[0]
    assert named.endswith(", ...")
    assert named.count(",") == 8


def test_it_is_a_line_for_users() -> None:
    assert issubclass(DivergedError, UserError)
