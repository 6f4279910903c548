"""A BERT of a few thousand random weights, and rows of random tokens for it."""

from __future__ import annotations

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from alpkd_pipeline.tasks.encode import EncodedSplit

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
