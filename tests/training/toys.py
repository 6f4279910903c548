"""A BERT of a few thousand random weights, and rows of random tokens for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from transformers import BertConfig, BertForSequenceClassification

from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.devices import Accelerator, LoadedModel

VOCABULARY, WIDTH = 20, 8


def tiny_bert(layers: int = 2, seed: int = 0) -> BertForSequenceClassification:
    """With dropout of one half, so that training mode shows at once."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
        initializer_range=0.5,
        hidden_dropout_prob=0.5,
        num_labels=2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertForSequenceClassification(config)


def loaded(model: Any, accelerator: Accelerator, tokenizer: Any = None) -> LoadedModel:
    """A model of a folder that is not there; without a tokenizer the padding id is 0."""
    words = tokenizer or SimpleNamespace(pad_token_id=0)
    return LoadedModel(Path("the-model"), model, words, accelerator)


def random_rows(count: int, lengths: tuple[int, ...] = (4, 7, 3, 9, 5)) -> EncodedSplit:
    """Rows of several lengths with labels 0, 1, 0, ...; the examples' ids start at 100."""
    draw = np.random.default_rng(0)
    sizes = np.resize(np.array(lengths), count)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return EncodedSplit(
        offsets=offsets,
        input_ids=draw.integers(1, VOCABULARY, size=offsets[-1]).astype(np.int32),
        token_type_ids=None,
        labels=np.arange(count) % 2,
        idx=np.arange(count) + 100,
        max_length=16,
        cut_rows=0,
    )


@contextmanager
def room_for_rows(rows: int) -> Iterator[None]:
    """A device whose memory holds some rows of any model, and no more."""

    def check(module: nn.Module, given: tuple[Any, ...]) -> None:
        if isinstance(module, nn.LayerNorm) and len(given[0]) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    handle = register_module_forward_pre_hook(check)
    try:
        yield
    finally:
        handle.remove()
