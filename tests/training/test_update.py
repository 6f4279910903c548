"""Steps for which the memory is too short: the numbers are those of whole batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.training.test_loop import SETTINGS, World, accelerator, norms, weights
from tests.training.toys import loaded

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.devices import Accelerator
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.update import Update, mean_terms, weigh_hard

__all__ = ["accelerator"]

TIMED = ("time", "examples_per_second", "data_percent", "memory_mb", "cpu_percent")


def too_short(world: World, rows: int, *, calls: int = 0) -> Callable[[Batch], LossTerms]:
    """A step on a device that has room for some rows, after some calls that go well."""
    left = calls

    def step(batch: Batch) -> LossTerms:
        nonlocal left
        left -= 1
        if len(batch.rows) > rows and left < 0:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return replace(world.squares(batch), watch={"rows": torch.tensor(float(len(batch.rows)))})

    return step


def losses(world: World) -> list[float]:
    return [event["loss"]["total"] for event in world.events("step")]


@pytest.mark.parametrize(
    ("rows", "batch", "accumulation"), [(2, 8, 1), (1, 4, 2), (3, 8, 1), (2, 7, 2)]
)
def test_the_step_is_that_of_whole_batches(
    tmp_path: Path, accelerator: Accelerator, rows: int, batch: int, accumulation: int
) -> None:
    short, roomy = (World(tmp_path / name, accelerator, 13) for name in ("short", "roomy"))
    settings = replace(SETTINGS, epochs=3, batch_size=batch, accumulation=accumulation)
    found = short.fit(settings, step=too_short(short, rows))
    wanted = roomy.fit(settings)
    assert (found.steps, found.examples) == (wanted.steps, wanted.examples)
    assert norms(short) == pytest.approx(norms(roomy), rel=1e-4)
    assert losses(short) == pytest.approx(losses(roomy), rel=1e-4)
    assert torch.allclose(weights(short.model), weights(roomy.model), atol=1e-5)
    assert max(map(len, short.batches)) <= rows


def test_a_batch_whose_rows_are_compared_is_not_cut(
    tmp_path: Path, accelerator: Accelerator
) -> None:
    world = World(tmp_path / "short", accelerator, 8)
    settings = replace(SETTINGS, batch_size=8)
    with pytest.raises(UserError) as caught:
        world.fit(settings, step=too_short(world, 4), whole_batches=True)
    assert str(caught.value) == (
        "out of memory (CUDA out of memory. Tried to allocate 2.00 GiB.), and the method compares"
        " the rows of a batch with one another, so that it cannot go through in parts: lower"
        " training.batch_size or task.max_length, or take another device"
    )
    assert not world.events("memory")


def test_what_the_half_done_step_added_is_taken_back(
    tmp_path: Path, accelerator: Accelerator
) -> None:
    # The first of two batches went through before the second found no room.
    short, roomy = (World(tmp_path / name, accelerator, 8) for name in ("short", "roomy"))
    settings = replace(SETTINGS, batch_size=4, accumulation=2)
    found = short.fit(settings, step=too_short(short, 2, calls=1))
    roomy.fit(settings)
    assert found.examples == 8
    assert norms(short) == pytest.approx(norms(roomy), rel=1e-5)
    assert losses(short) == pytest.approx(losses(roomy), rel=1e-5)


def test_random_numbers_are_drawn_again(tmp_path: Path, accelerator: Accelerator) -> None:
    def drawn(name: str, short: bool) -> list[float]:
        world, seen = World(tmp_path / name, accelerator), list[float]()
        allowed = too_short(world, 2)

        def step(batch: Batch) -> LossTerms:
            seen.append(float(torch.rand(())))
            if len(batch.rows) > 2 and short:
                seen.clear()
            return allowed(batch)

        torch.manual_seed(7)
        world.fit(
            replace(SETTINGS, batch_size=4 if short else 2, accumulation=1 if short else 2), step
        )
        return seen

    assert drawn("short", short=True) == drawn("small", short=False)


def test_it_stays_shrunk_and_the_event_log_says_so(world_of_twelve: World) -> None:
    world = world_of_twelve
    world.fit(replace(SETTINGS, batch_size=4), step=too_short(world, 2, calls=1))
    assert [len(rows) for rows in world.batches] == [4, 2, 2, 2, 2]
    (event,) = world.events("memory")
    del event["time"]
    assert event == {
        "event": "memory", "doing": "training", "rows": 2, "instead_of": 4, "step": 2
    }  # fmt: skip


def test_a_single_row_too_many_ends_it_with_the_weights_as_they_were(
    world_of_twelve: World,
) -> None:
    world = world_of_twelve
    before = weights(world.model)
    with pytest.raises(UserError, match="with a single row at a time"):
        world.fit(replace(SETTINGS, batch_size=4), step=too_short(world, 0))
    assert torch.equal(weights(world.model), before)


def test_other_errors_of_a_step_are_not_taken_for_it(world_of_twelve: World) -> None:
    def step(batch: Batch) -> LossTerms:
        raise RuntimeError("The size of tensor a (3) must match the size of tensor b (4)")

    with pytest.raises(RuntimeError, match="size of tensor"):
        world_of_twelve.fit(step=step)
    assert world_of_twelve.events("memory") == []


def test_parts_count_by_their_rows() -> None:
    def part(rows: int, value: float) -> tuple[LossTerms, Batch]:
        loss = torch.tensor(value, requires_grad=True)
        terms = LossTerms(loss, None, loss * 2, loss * 3, watch={"w": loss * 4})
        return terms, Batch(torch.arange(rows), {}, torch.zeros(rows), rows)

    found = mean_terms([part(3, 1.0), part(1, 5.0)])
    assert (float(found.hard), float(found.total)) == (2.0, 6.0)
    assert found.soft is None
    assert found.intermediate is not None
    assert float(found.intermediate) == 4.0
    assert float(found.watch["w"]) == 8.0
    assert not found.total.requires_grad


@pytest.fixture
def world_of_twelve(tmp_path: Path, accelerator: Accelerator) -> World:
    return World(tmp_path, accelerator, rows=12)


def test_a_hard_term_is_weighed_by_hand() -> None:
    # Half of the update's rows have a label and all of this part's: it weighs twice as much.
    hard, soft = torch.tensor(0.5), torch.tensor(3.0)
    terms = LossTerms(hard=hard, soft=soft, intermediate=None, total=0.2 * hard + soft)
    found = weigh_hard(terms, 2.0, beta=0.2)
    assert found.hard.item() == 1.0
    assert found.total.item() == pytest.approx(0.2 * 1.0 + 3.0)
    same = weigh_hard(terms, 1.0, beta=0.2)
    assert (same.hard.item(), same.total.item()) == (terms.hard.item(), terms.total.item())


BETA = 0.3
WITH_LABEL = np.array([True, False, False, True, True, False, False, False, False, True, False])


def mixed(world: World) -> Callable[[Batch], LossTerms]:
    """Squared errors of the rows with a label, and of all rows against 0.25."""

    def step(batch: Batch) -> LossTerms:
        world.batches.append(batch.rows.tolist())
        said = world.model(batch.inputs["input_ids"].float())[:, 0]
        known = torch.from_numpy(WITH_LABEL)[batch.rows]
        errors = torch.where(known, (said - batch.labels) ** 2, 0.0)
        hard, soft = errors.sum() / known.sum().clamp(min=1), ((said - 0.25) ** 2).mean()
        return LossTerms(hard, soft, None, BETA * hard + soft)

    return step


@pytest.mark.parametrize("rows", [1, 2, 3, 11])
@pytest.mark.parametrize("batches", [1, 3])
def test_parts_with_unlike_shares_of_labels_are_one_batch(
    tmp_path: Path, accelerator: Accelerator, rows: int, batches: int
) -> None:
    """However an update is cut, each labelled row weighs 1/4, and each row 1/11."""
    world = World(tmp_path, accelerator, len(WITH_LABEL))
    learner = Learner(
        loaded(world.model, accelerator), mixed(world), term_weights={"hard": BETA, "soft": 1.0}
    )
    optimiser = torch.optim.SGD(learner.parameters, lr=0.0)
    limit = MicrobatchSize(rows, "training")
    update = Update(learner, world.train, optimiser, 1e9, limit, WITH_LABEL)
    progress = SimpleNamespace(throughputs=(), steps=1)
    heard = update._gradients(np.array_split(np.arange(11), batches), progress)  # type: ignore[arg-type]

    found = [weight.grad.clone() for weight in learner.parameters if weight.grad is not None]
    world.model.zero_grad()
    whole = learner.loaded.batch(world.train, np.arange(len(WITH_LABEL)))
    mixed(world)(whole).total.backward()
    wanted = [weight.grad for weight in learner.parameters if weight.grad is not None]
    assert all(torch.allclose(a, b, rtol=1e-5) for a, b in zip(found, wanted, strict=True))
    sizes = [sum(len(part.rows) for part in parts) for _, parts in heard]
    for term in ("hard", "soft", "total"):
        logged = sum(float(getattr(t, term)) * n for (t, _), n in zip(heard, sizes, strict=True))
        assert logged / 11 == pytest.approx(float(getattr(mixed(world)(whole), term)), rel=1e-5)
