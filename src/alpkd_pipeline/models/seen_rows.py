"""Training only those rows of the token embedding that the data can touch.

A GLUE task uses a fraction of a vocabulary's 30,000 rows. The others never get a gradient, yet the
gradient, its norm and AdamW walk over all of them in every step, which is a large part of a shallow
student's step on a CPU. With `SeenRows` a model trains as the whole one would, but for rounding: a
row without gradient only loses what weight decay takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.tasks.encode import EncodedSplit


class SeenRows(nn.Module):
    """The rows of `tokens` (K,) of an embedding `full` (V, D); looking up others is an error."""

    def __init__(self, full: nn.Embedding, tokens: np.ndarray) -> None:
        super().__init__()
        self._full = full.weight.detach().to("cpu", copy=True)
        self._tokens = torch.from_numpy(np.unique(tokens).astype(np.int64))
        rows = full.weight.detach()[self._tokens.to(full.weight.device)].clone()
        self.weight = nn.Parameter(rows)
        # K is no row: a token that nobody announced must not be taken for another one.
        count, self._padding_id = len(self._tokens), full.padding_idx
        place = torch.full((full.num_embeddings,), count, dtype=torch.int64)
        place[self._tokens] = torch.arange(count)
        self._positions: Tensor
        self.register_buffer("_positions", place.to(full.weight.device), persistent=False)
        row = count if self._padding_id is None else int(place[self._padding_id])
        self._padding = None if row == count else row

    def forward(self, ids: Tensor) -> Tensor:
        """(B, S) token ids -> (B, S, D)."""
        return nn.functional.embedding(self._positions[ids], self.weight, padding_idx=self._padding)

    def whole(self, left: float) -> nn.Embedding:
        """The embedding of the whole vocabulary as it is now.

        `left` is what weight decay has left of a weight without gradient, 1 for all of it.
        """
        rows = self._full * left
        rows[self._tokens] = self.weight.detach().cpu()
        rows = rows.to(self.weight.device)
        return nn.Embedding(len(rows), rows.shape[1], self._padding_id, _weight=rows)


def keep_seen_rows(model: PreTrainedModel, tokens: np.ndarray) -> SeenRows | None:
    """Give a model an embedding of these tokens only, every one that it will be fed.

    None where its own, which is frozen, no plain `nn.Embedding` or without a row to spare, stays.
    """
    full = model.get_input_embeddings()
    if type(full) is not nn.Embedding or not full.weight.requires_grad:
        return None
    if len(np.unique(tokens)) == full.num_embeddings:
        return None
    seen = SeenRows(full, tokens)
    model.set_input_embeddings(seen)
    return seen


@contextmanager
def whole_embedding(model: PreTrainedModel, seen: SeenRows | None, left: float) -> Iterator[None]:
    """A context in which the model has its whole vocabulary; `left` as in `SeenRows.whole`."""
    if seen is None:
        yield
        return
    model.set_input_embeddings(seen.whole(left))
    try:
        yield
    finally:
        model.set_input_embeddings(seen)


AT_ONCE = 1_000_000
"""Tokens looked at together: the splits stay on disk, however long they are."""


def seen_tokens(splits: Iterable[EncodedSplit], pad_id: int) -> np.ndarray:
    """The distinct token ids of some splits and the padding id, (K,) int64, sorted."""
    seen = np.array([pad_id])
    for split in splits:
        for start in range(0, len(split.input_ids), AT_ONCE):
            seen = np.union1d(seen, split.input_ids[start : start + AT_ONCE])
            split.release()
    return seen
