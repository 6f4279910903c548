"""A model that trains only the rows that its data touch against the whole model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from alpkd_pipeline.models.seen_rows import SeenRows, keep_seen_rows, whole_embedding
from alpkd_pipeline.training.optim import decay_left, make_adamw, set_lr

Make = Callable[..., PreTrainedModel]
STEPS, LR, DECAY = 12, 1e-2, 0.1


@contextmanager
def same_dropout() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        yield


def train(model: PreTrainedModel, batch: dict[str, Tensor]) -> list[float]:
    """Some steps with dropout and a falling learning rate."""
    optimiser = make_adamw(model.parameters(), LR, DECAY)
    losses = []
    model.train()
    with same_dropout():
        for step in range(STEPS):
            set_lr(optimiser, LR * (STEPS - step) / STEPS)
            loss = model(**batch, labels=torch.tensor([0, 1, 2])).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
            losses.append(loss.item())
    model.eval()
    return losses


def test_every_family_trains_as_with_its_whole_vocabulary(
    family: str, make_model: Make, batch: dict[str, Tensor]
) -> None:
    whole, shrunk = make_model(family, layers=2), make_model(family, layers=2)
    tokens = batch["input_ids"].numpy()
    seen = keep_seen_rows(shrunk, tokens)
    assert seen is not None
    rows = shrunk.get_input_embeddings().weight
    assert len(rows) == len(np.unique(tokens)) < whole.config.vocab_size
    expected = train(whole, batch)
    assert train(shrunk, batch) == pytest.approx(expected, rel=1e-5)
    left = decay_left(STEPS, STEPS, 0, LR, DECAY)
    assert 0.9 < left < 0.999
    with whole_embedding(shrunk, seen, left):
        found = shrunk.state_dict()
    assert found.keys() == whole.state_dict().keys()
    for name, weights in whole.state_dict().items():
        assert torch.allclose(found[name], weights, rtol=1e-4, atol=2e-5), name


def test_it_is_saved_with_its_whole_vocabulary(
    family: str, make_model: Make, batch: dict[str, Tensor], tmp_path: Path
) -> None:
    model = make_model(family, layers=1)
    expected = model(**batch).logits
    other = torch.full((1, 4), 41)
    said = model(input_ids=other).logits
    seen = keep_seen_rows(model, np.setdiff1d(batch["input_ids"].numpy(), [41]))
    with whole_embedding(model, seen, 1.0):
        model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert torch.allclose(loaded(**batch).logits, expected, atol=1e-6)
    assert torch.allclose(loaded(input_ids=other).logits, said, atol=1e-6)
    assert model.get_input_embeddings() is seen


def test_rows_without_gradient_only_decay() -> None:
    full = nn.Embedding.from_pretrained(torch.arange(8.0).reshape(4, 2))
    seen = SeenRows(full, np.array([2, 0, 2]))
    with torch.no_grad():
        seen.weight.add_(100.0)
    assert seen.whole(0.5).weight.tolist() == [
        [100.0, 101.0],
        [1.0, 1.5],
        [104.0, 105.0],
        [3.0, 3.5],
    ]
    assert full.weight[0].tolist() == [0.0, 1.0]


def test_looking_up_is_as_before() -> None:
    full = nn.Embedding(6, 3, padding_idx=1)
    seen = SeenRows(full, np.array([5, 1, 3]))
    ids = torch.tensor([[5, 3], [1, 1]])
    assert torch.equal(seen(ids), full(ids))
    seen(ids).sum().backward()
    assert seen.weight.grad is not None
    # Rows 1, 3 and 5; the padding row gets no gradient.
    assert seen.weight.grad[:, 0].tolist() == [0.0, 1.0, 1.0]
    assert seen.whole(1.0).padding_idx == 1


def test_a_token_that_was_not_announced_is_an_error() -> None:
    with pytest.raises(IndexError):
        SeenRows(nn.Embedding(6, 3), np.array([5, 1]))(torch.tensor([2]))


def test_a_padding_row_that_is_never_fed_need_not_be_there() -> None:
    seen = SeenRows(nn.Embedding(6, 3, padding_idx=0), np.array([5, 1]))
    assert seen(torch.tensor([5])).shape == (1, 3)


def test_a_model_keeps_what_cannot_be_shrunk(make_model: Make) -> None:
    model = make_model("bert", layers=1)
    own = model.get_input_embeddings()
    assert keep_seen_rows(model, np.arange(model.config.vocab_size)) is None
    own.weight.requires_grad_(False)
    assert keep_seen_rows(model, np.array([1, 2])) is None

    class Scaled(nn.Embedding):
        pass

    model.set_input_embeddings(Scaled(60, 32))
    assert keep_seen_rows(model, np.array([1, 2])) is None
    with whole_embedding(model, None, 0.5):
        assert isinstance(model.get_input_embeddings(), Scaled)
