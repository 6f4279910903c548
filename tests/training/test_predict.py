from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from tests.training.toys import WIDTH, loaded, random_rows, room_for_rows, tiny_bert
from torch import Tensor

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.devices import Accelerator, Hardware, accelerator_for
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import iterate_outputs, predict

SPLIT = random_rows(7)


def at_once(rows: int) -> MicrobatchSize:
    return MicrobatchSize(rows, "evaluation")


@pytest.fixture(params=["fp32"])
def accelerator(request: pytest.FixtureRequest) -> Iterator[Accelerator]:
    with accelerator_for(Hardware("cpu", "toy", request.param, 1)) as made:
        yield made


def alone(model: torch.nn.Module, split: EncodedSplit, row: int) -> tuple[Tensor, list[Tensor]]:
    """The outputs for one row, fed without batch and padding."""
    tokens = torch.from_numpy(split.input_ids[split.offsets[row] : split.offsets[row + 1]][None])
    with torch.no_grad():
        out = model.eval()(input_ids=tokens.long(), output_hidden_states=True)
    return out.logits[0], [state[0] for state in out.hidden_states[1:]]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_logits_stand_in_the_order_of_the_split(accelerator: Accelerator, batch_size: int) -> None:
    model = tiny_bert()
    logits = predict(loaded(model, accelerator), SPLIT, at_once(batch_size))
    assert logits.dtype == np.float32
    expected = np.stack([alone(model, SPLIT, row)[0].numpy() for row in range(7)])
    np.testing.assert_allclose(logits, expected, atol=1e-5)


def test_batches_are_as_large_as_asked_and_start_with_the_longest(
    accelerator: Accelerator,
) -> None:
    outputs = list(iterate_outputs(loaded(tiny_bert(), accelerator), SPLIT, at_once(3)))
    assert [len(out.rows) for out in outputs] == [3, 3, 1]
    lengths = [SPLIT.lengths[row] for out in outputs for row in out.rows]
    assert lengths == sorted(SPLIT.lengths, reverse=True)
    assert all(out.layers is None for out in outputs)


def test_only_the_chosen_rows_under_their_own_numbers(accelerator: Accelerator) -> None:
    model, only = tiny_bert(), np.array([5, 1, 3])
    found = {}
    for out in iterate_outputs(loaded(model, accelerator), SPLIT, at_once(2), only=only):
        found |= dict(zip(out.rows.tolist(), out.logits, strict=True))
    assert set(found) == {1, 3, 5}
    for row, logits in found.items():
        torch.testing.assert_close(logits, alone(model, SPLIT, row)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_layers_are_pooled_without_their_padding(accelerator: Accelerator, pooling: str) -> None:
    model = tiny_bert(layers=3)
    for out in iterate_outputs(
        loaded(model, accelerator), SPLIT, at_once(4), pooling=pooling, layers=True
    ):
        assert out.layers is not None
        assert out.layers.shape == (len(out.rows), 3, WIDTH)
        for row, layers in zip(out.rows, out.layers, strict=True):
            states = alone(model, SPLIT, row)[1]
            pooled = [state[0] if pooling == "cls" else state.mean(dim=0) for state in states]
            torch.testing.assert_close(layers, torch.stack(pooled), atol=1e-5, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_predicts_without_dropout_and_is_left_in_its_mode(
    accelerator: Accelerator, training: bool
) -> None:
    model = tiny_bert().train(training)
    one, two = (predict(loaded(model, accelerator), SPLIT, at_once(4)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert model.training is training


def test_the_mode_is_restored_for_a_reader_that_stops_early(accelerator: Accelerator) -> None:
    model = tiny_bert().train()
    outputs = iterate_outputs(loaded(model, accelerator), SPLIT, at_once(2))
    next(outputs)
    assert not model.training
    outputs.close()  # type: ignore[attr-defined]
    assert model.training


def test_a_batch_too_large_for_the_memory_goes_through_in_parts(accelerator: Accelerator) -> None:
    model = tiny_bert()
    whole = predict(loaded(model, accelerator), SPLIT, at_once(7))
    limit = MicrobatchSize(7, "evaluation")
    with room_for_rows(2):
        outputs = list(iterate_outputs(loaded(model, accelerator), SPLIT, limit))
        assert [len(out.rows) for out in outputs] == [2, 2, 2, 1]
        again = predict(loaded(model, accelerator), SPLIT, limit)
    np.testing.assert_allclose(again, whole, atol=1e-5)
    assert [found["rows"] for found in limit.noted] == [4, 2]


def test_no_gradients_are_kept(accelerator: Accelerator) -> None:
    (out,) = iterate_outputs(loaded(tiny_bert(), accelerator), SPLIT, at_once(9), layers=True)
    assert out.layers is not None
    assert not out.logits.requires_grad
    assert not out.layers.requires_grad


@pytest.mark.parametrize("accelerator", ["bf16"], indirect=True)
def test_outputs_are_fp32_whatever_the_precision(accelerator: Accelerator) -> None:
    (out,) = iterate_outputs(loaded(tiny_bert(), accelerator), SPLIT, at_once(9), layers=True)
    assert out.layers is not None
    assert (out.logits.dtype, out.layers.dtype) == (torch.float32, torch.float32)
    # The pass itself really was in bf16.
    assert torch.equal(out.logits, out.logits.bfloat16().float())


def test_an_empty_split_has_no_logits(accelerator: Accelerator) -> None:
    assert predict(loaded(tiny_bert(), accelerator), random_rows(0), at_once(4)).shape[0] == 0
