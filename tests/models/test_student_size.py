from __future__ import annotations

import torch
from torch import nn

from alpkd_pipeline.models.student import count_parameters


class Toy(nn.Module):
    def __init__(self, tied: bool = False) -> None:
        super().__init__()
        self.words = nn.Embedding(10, 4)
        self.positions = nn.Embedding(6, 4)
        self.layer = nn.Linear(4, 3)
        self.head = nn.Linear(4, 10, bias=False)
        if tied:
            self.head.weight = self.words.weight


def test_counts_by_hand() -> None:
    assert count_parameters(Toy()) == {
        "total": 40 + 24 + (12 + 3) + 40,
        "without_embeddings": 12 + 3 + 40,
    }


def test_weights_that_are_used_twice_count_once() -> None:
    assert count_parameters(Toy(tied=True)) == {
        "total": 40 + 24 + (12 + 3),
        "without_embeddings": 12 + 3,
    }


def test_an_embedding_that_is_used_twice_is_taken_off_once() -> None:
    model = Toy()
    model.same = model.words
    assert count_parameters(model) == count_parameters(Toy())


def test_frozen_weights_count_and_buffers_do_not() -> None:
    model = nn.Linear(2, 2).requires_grad_(False)
    model.register_buffer("seen", torch.zeros(100))
    assert count_parameters(model) == {"total": 6, "without_embeddings": 6}
