from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.states import forward_signal, model_inputs, pooled_layers

Batch = dict[str, Tensor]


def test_pooling_worked_out_by_hand(make_model: Any) -> None:
    model = make_model("bert", layers=2)
    embedding = torch.full((2, 3, 2), 99.0)
    first = torch.tensor([[[1.0, 2], [3, 4], [5, 9]], [[1, 1], [50, 50], [60, 60]]])
    second = first * 10
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    states = (embedding, first, second)
    assert pooled_layers(model, states, mask, "cls").tolist() == [
        [[1, 2], [10, 20]],
        [[1, 1], [10, 10]],
    ]
    # (1 + 3 + 5) / 3, (2 + 4 + 9) / 3; the padding of the second example does not count
    torch.testing.assert_close(
        pooled_layers(model, states, mask, "mean"),
        torch.tensor([[[3.0, 5], [30, 50]], [[1, 1], [10, 10]]]),
    )


@pytest.mark.parametrize(
    ("given", "found"),
    [(torch.bfloat16, torch.float32), (torch.float32,) * 2, (torch.float64,) * 2],
)
def test_means_are_taken_in_at_least_fp32(
    make_model: Any, given: torch.dtype, found: torch.dtype
) -> None:
    """The mean of 1 and 1/128 has more digits than bf16."""
    state = torch.tensor([[[1.0], [2.0**-7]]], dtype=given)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = pooled_layers(make_model("bert"), (state, state), torch.ones(1, 2), "mean")
    assert mean.dtype == found
    assert mean.item() == (1 + 2.0**-7) / 2


def test_unknown_pooling_is_refused(make_model: Any, batch: Batch) -> None:
    with pytest.raises(UserError, match="cls or mean"):
        forward_signal(make_model("bert"), batch, pooling="max", layers=True)


def test_layers_are_those_of_the_model(family: str, make_model: Any, batch: Batch) -> None:
    """The last one is what the head reads, in every family."""
    model = make_model(family, layers=4)
    with torch.no_grad():
        logits, layers = forward_signal(model, batch, pooling="cls", layers=True)
        last = model.base_model(**batch).last_hidden_state
    assert layers is not None
    assert layers.shape == (3, 4, 32)
    assert logits.shape == (3, 3)
    torch.testing.assert_close(layers[:, -1], last[:, 0])
    plain, nothing = forward_signal(model, batch, pooling="cls", layers=False)
    assert nothing is None
    torch.testing.assert_close(plain, logits)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_every_layer_of_modernbert_has_passed_the_final_norm_once(
    make_model: Any, batch: Batch, pooling: str
) -> None:
    """Without the norm's scale every token's state has variance 1 over the channels."""
    model = make_model("modernbert", layers=4)
    norm, ones = model.model.final_norm, torch.ones(3, 12)
    with torch.no_grad():
        raw = model(**batch, output_hidden_states=True).hidden_states
        _, layers = forward_signal(model, batch, pooling=pooling, layers=True)
        normed = [*(norm(state) for state in raw[1:-1]), raw[-1]]
    assert not torch.allclose(raw[1].var(-1, unbiased=False), ones, atol=0.1)
    for k, state in enumerate(normed):
        spread = (state / norm.weight).var(-1, unbiased=False)
        torch.testing.assert_close(spread, ones, atol=1e-3, rtol=0)
        weights = batch["attention_mask"][..., None].float()
        mean = (state * weights).sum(1) / weights.sum(1)
        torch.testing.assert_close(layers[:, k], state[:, 0] if pooling == "cls" else mean)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_padding_changes_nothing(family: str, make_model: Any, batch: Batch, pooling: str) -> None:
    model = make_model(family)
    with torch.no_grad():
        together = forward_signal(model, batch, pooling=pooling, layers=True)
        for row in range(3):
            length = int(batch["attention_mask"][row].sum())
            alone = {name: value[row : row + 1, :length] for name, value in batch.items()}
            for one, many in zip(
                forward_signal(model, alone, pooling=pooling, layers=True), together, strict=True
            ):
                torch.testing.assert_close(one[0], many[row], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_gradients_reach_the_embeddings_from_every_layer(
    family: str, make_model: Any, batch: Batch, pooling: str
) -> None:
    model = make_model(family, layers=3)
    _, layers = forward_signal(model, batch, pooling=pooling, layers=True)
    table = model.get_input_embeddings().weight
    for k in range(3):
        (gradient,) = torch.autograd.grad(layers[:, k].pow(3).sum(), table, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_token_types_go_only_where_they_mean_something(
    family: str, make_model: Any, batch: Batch
) -> None:
    model = make_model(family, **({"type_vocab_size": 1} if family == "roberta" else {}))
    typed = {**batch, "token_type_ids": torch.ones_like(batch["input_ids"])}
    wanted = getattr(model.config, "type_vocab_size", 0) > 1
    assert wanted or family not in ("bert", "electra")
    assert ("token_type_ids" in model_inputs(model, typed)) == wanted
    with torch.no_grad():
        with_types, _ = forward_signal(model, typed, pooling="cls", layers=False)
        without, _ = forward_signal(model, batch, pooling="cls", layers=False)
    assert torch.equal(with_types, without) != wanted
