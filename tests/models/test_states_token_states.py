"""Token-level states of every family, against the library's own and against sums by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import FAMILIES, TokenLayers
from alpkd_pipeline.models.states import attention_projections, attention_scores, forward_tokens

Batch = dict[str, Tensor]
PLAIN = sorted(name for name, family in FAMILIES.items() if family.plain_scores)
WIDTH, HEADS = 32, 4


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_scores_worked_out_by_hand() -> None:
    query = torch.tensor([[[1.0, 2, 0, 0], [0, 1, 3, 0]]])
    key = torch.tensor([[[1.0, 1, 1, 1], [2, 0, 0, 5]]])
    root = math.sqrt(2)
    # two heads of width 2: (1,2).(1,1) = 3, (1,2).(2,0) = 2; (0,1).(1,1) = 1, (0,1).(2,0) = 0
    # and (0,0) with anything; (3,0).(1,1) = 3, (3,0).(0,5) = 0
    expected = torch.tensor([[[[3, 2], [1, 0]], [[0, 0], [3, 0]]]]) / root
    torch.testing.assert_close(attention_scores(query, key, heads=2), expected)


@pytest.mark.parametrize("given", [torch.bfloat16, torch.float16])
def test_scores_are_summed_in_fp32(given: torch.dtype) -> None:
    query = torch.ones(1, 1, 3, dtype=given)
    key = torch.tensor([[[1.0, 2.0**-9, 0]]], dtype=given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = attention_scores(query, key, heads=1)
    assert scores.dtype == torch.float32
    assert scores.item() == pytest.approx((1 + 2.0**-9) / math.sqrt(3), rel=1e-6)


@pytest.mark.parametrize("family", PLAIN)
def test_scores_are_those_of_the_library(family: str, make_model: Any, batch: Batch) -> None:
    """Their softmax over the real tokens is what the model itself gives out as attention."""
    model = make_model(family, layers=3)
    model.set_attn_implementation("eager")
    real = batch["attention_mask"].bool()
    with torch.no_grad():
        scores = forward_tokens(model, batch, TokenLayers(scores=(1, 3))).get("scores")
        shown = model(**batch, output_attentions=True).attentions
    assert scores is not None
    assert scores.shape == (3, 2, HEADS, 12, 12)
    for place, layer in enumerate((1, 3)):
        ours = scores[:, place].masked_fill(~real[:, None, None, :], -math.inf).softmax(-1)
        for b in range(3):
            torch.testing.assert_close(ours[b][:, real[b]], shown[layer - 1][b][:, real[b]])


@pytest.mark.parametrize("family", sorted(set(FAMILIES) - set(PLAIN)))
def test_scores_that_depend_on_positions_are_refused(
    family: str, make_model: Any, batch: Batch
) -> None:
    with pytest.raises(UserError, match=f"model_type '{family}' depend on positions") as caught:
        forward_tokens(make_model(family, layers=1), batch, TokenLayers(scores=(1,)))
    assert "\n" not in str(caught.value)


def test_vectors_are_the_projections_of_what_a_layer_reads(
    family: str, make_model: Any, batch: Batch
) -> None:
    """Worked out from the weights and the states that the library gives out."""
    model = make_model(family, layers=3)
    with torch.no_grad():
        found = forward_tokens(model, batch, TokenLayers(qkv=(3, 2)))
        given = model(**batch, output_hidden_states=True)
    assert found.get("qkv") is not None
    assert found["qkv"].shape == (3, 2, 3, 12, WIDTH)
    assert (found.get("states"), found.get("scores")) == (None, None)
    torch.testing.assert_close(found["logits"], given.logits)
    block = model.base_model.get_submodule(FAMILIES[family].layers_path)[1]
    read = given.hidden_states[1]
    if family == "modernbert":
        read = block.attn_norm(read)
    weights = [block.get_submodule(name) for name in FAMILIES[family].projections]
    expected = torch.cat([linear(read) for linear in weights], dim=-1).chunk(3, dim=-1)
    torch.testing.assert_close(found["qkv"][:, 1], torch.stack(expected, dim=1))


def test_states_are_those_of_the_model(family: str, make_model: Any, batch: Batch) -> None:
    model = make_model(family, layers=3)
    with torch.no_grad():
        found = forward_tokens(model, batch, TokenLayers(states=(0, 2, 3))).get("states")
        hidden = model(**batch, output_hidden_states=True).hidden_states
    assert found is not None
    assert found.shape == (3, 3, 12, WIDTH)
    middle = model.model.final_norm(hidden[2]) if family == "modernbert" else hidden[2]
    torch.testing.assert_close(found, torch.stack([hidden[0], middle, hidden[3]], dim=1))


def test_padding_changes_nothing(family: str, make_model: Any, batch: Batch) -> None:
    model = make_model(family, layers=2)
    wanted = TokenLayers(states=(0, 1, 2), qkv=(2,), scores=(2,) if family in PLAIN else ())
    with torch.no_grad():
        together = forward_tokens(model, batch, wanted)
        for row in range(3):
            length = int(batch["attention_mask"][row].sum())
            alone = {name: value[row : row + 1, :length] for name, value in batch.items()}
            one = forward_tokens(model, alone, wanted)
            near = {"atol": 2e-5, "rtol": 1e-4}
            assert together.get("states") is not None
            assert together.get("qkv") is not None
            torch.testing.assert_close(
                one["states"][0], together["states"][row, :, :length], **near
            )
            torch.testing.assert_close(one["qkv"][0], together["qkv"][row, :, :, :length], **near)
            if one.get("scores") is not None:
                cut = together["scores"][row, :, :, :length, :length]
                torch.testing.assert_close(one["scores"][0], cut, **near)


def test_gradients_reach_the_embeddings(family: str, make_model: Any, batch: Batch) -> None:
    model = make_model(family, layers=2)
    scores = (1, 2) if family in PLAIN else ()
    found = forward_tokens(model, batch, TokenLayers(states=(0, 2), qkv=(1, 2), scores=scores))
    table = model.get_input_embeddings().weight
    for signal in (found.get("states"), found.get("qkv"), found.get("scores")):
        if signal is not None:
            for k in range(signal.shape[1]):
                loss = signal[:, k].pow(3).sum()
                (gradient,) = torch.autograd.grad(loss, table, retain_graph=True)
                assert gradient.abs().sum() > 0


def test_hooks_are_gone_after_a_pass_and_after_an_error(
    family: str, make_model: Any, batch: Batch
) -> None:
    model = make_model(family, layers=2)
    before = hooks(model)
    forward_tokens(model, batch, TokenLayers(qkv=(1, 2)))
    assert hooks(model) == before
    with attention_projections(model, {1}):
        assert hooks(model) > before
    broken = {**batch, "input_ids": batch["input_ids"] + 1000}
    with pytest.raises(IndexError):
        forward_tokens(model, broken, TokenLayers(qkv=(1,)))
    assert hooks(model) == before


def test_only_what_is_named_is_kept(make_model: Any, batch: Batch) -> None:
    found = forward_tokens(make_model("bert", layers=2), batch, TokenLayers())
    assert (found.get("states"), found.get("scores"), found.get("qkv")) == (None, None, None)
    with attention_projections(make_model("bert", layers=2), {2}) as seen:
        assert list(seen) == [2]


@pytest.mark.parametrize("family", ["bert", "modernbert"])
def test_vectors_may_be_in_half_precision(family: str, make_model: Any, batch: Batch) -> None:
    model = make_model(family, layers=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = forward_tokens(model, batch, TokenLayers(qkv=(1,)))
    assert found.get("qkv") is not None
    assert found["qkv"].dtype == torch.bfloat16
