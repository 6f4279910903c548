"""The smallest files that a model folder may have: weights of zeros that go with a config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import save

CONFIG = {
    "model_type": "bert",
    "num_hidden_layers": 2,
    "hidden_size": 4,
    "num_attention_heads": 2,
    "intermediate_size": 6,
    "vocab_size": 5,
}


def bert_weights(config: Mapping[str, Any] = CONFIG, value: float = 0.0) -> bytes:
    """A safetensors file with `bert_tensors`."""
    return save(bert_tensors(config, value))


def bert_tensors(config: Mapping[str, Any] = CONFIG, value: float = 0.0) -> dict[str, np.ndarray]:
    """The tables and matrices of a BERT, all of one value."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings": (config["vocab_size"], width),
        "embeddings.position_embeddings": (config.get("max_position_embeddings", 512), width),
        "embeddings.token_type_embeddings": (config.get("type_vocab_size", 2), width),
    }
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}."
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{layer}attention.{name}"] = (width, width)
        shapes[f"{layer}intermediate.dense"] = (inner, width)
        shapes[f"{layer}output.dense"] = (width, inner)
    return {f"{k}.weight": np.full(s, value, np.float32) for k, s in shapes.items()}
