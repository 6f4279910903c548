"""The families of encoders that can be distilled, and the shape of a model from its config.json.

Standard library only: the configuration is checked before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alpkd_pipeline.errors import UserError


@dataclass(frozen=True, slots=True)
class Family:
    """Where a family of encoders keeps what the rest of the project asks for."""

    layers_path: str  # the list of layers inside the backbone, `encoder.layer`
    classifier: str  # the last linear layer of the sequence classifier, which gives the logits
    # layers, width, heads and vocabulary of a config that does not say them
    defaults: tuple[int, int, int, int]
    layers: str = "num_hidden_layers"  # the config's name for the number of layers
    width: str = "hidden_size"  # the config's name for the width of the hidden states
    heads: str = "num_attention_heads"  # the config's name for the number of attention heads
    inner: str = "intermediate_size"  # the config's name for the width of the feed-forward part
    per_layer: tuple[str, ...] = ()  # names of config lists that have one entry a layer
    final_norm: str | None = None  # the backbone's norm that only the last hidden state has passed
    # the norm inside a layer that the first layer alone does not have
    first_lacks_norm: str | None = None
    # the linear maps inside a layer that give queries, keys and values, or the single one that
    # gives all three
    projections: tuple[str, ...] = (
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
    )
    plain_scores: bool = True  # whether attention scores are q k^T / sqrt(d) and nothing else
    # whether all layers see the same tokens, so that the mask can be made once
    one_mask: bool = True
    # for each size in the config a weight that has it, and in which dimension
    weights: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    # the width of the embeddings of a config that does not say it, where that is not the width of
    # the hidden states
    embedding: int | None = None


_WORDS, _FEED = "embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"
_TABLES = {
    "vocab_size": (_WORDS, 0),
    "max_position_embeddings": ("embeddings.position_embeddings.weight", 0),
}
_BERT = {
    **_TABLES,
    "type_vocab_size": ("embeddings.token_type_embeddings.weight", 0),
    "hidden_size": (_FEED, 0),
    "intermediate_size": (_FEED, 1),
}
_FACTORED = {**_BERT, "embedding_size": (_WORDS, 1)}

FAMILIES: dict[str, Family] = {
    "bert": Family("encoder.layer", "classifier", (12, 768, 12, 30522), weights=_BERT),
    "roberta": Family("encoder.layer", "classifier.out_proj", (12, 768, 12, 50265), weights=_BERT),
    **dict.fromkeys(
        ("xlm-roberta", "camembert"),
        Family("encoder.layer", "classifier.out_proj", (12, 768, 12, 30522), weights=_BERT),
    ),
    "distilbert": Family(
        "transformer.layer",
        "classifier",
        (6, 768, 12, 30522),
        layers="n_layers",
        width="dim",
        heads="n_heads",
        inner="hidden_dim",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        weights={
            **_TABLES,
            "dim": ("transformer.layer.0.ffn.lin2.weight", 0),
            "hidden_dim": ("transformer.layer.0.ffn.lin2.weight", 1),
        },
    ),
    "electra": Family(
        "encoder.layer",
        "classifier.out_proj",
        (12, 256, 4, 30522),
        weights=_FACTORED,
        embedding=128,
    ),
    "mpnet": Family(
        "encoder.layer",
        "classifier.out_proj",
        (12, 768, 12, 30527),
        projections=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        plain_scores=False,
        weights={
            **_TABLES,
            "hidden_size": (_FEED, 0),
            "intermediate_size": (_FEED, 1),
            # One table for all layers; it stands beside them and stays in a cut.
            "relative_attention_num_buckets": ("encoder.relative_attention_bias.weight", 0),
        },
    ),
    "deberta-v2": Family(
        "encoder.layer",
        "classifier",
        (24, 1536, 24, 128100),
        projections=(
            "attention.self.query_proj",
            "attention.self.key_proj",
            "attention.self.value_proj",
        ),
        plain_scores=False,
        one_mask=False,
        weights={
            **_FACTORED,
            "pooler_hidden_size": (_FEED, 0),
            "conv_kernel_size": ("encoder.conv.conv.weight", 2),
        },
    ),
    "modernbert": Family(
        "layers",
        "classifier",
        (22, 768, 12, 50368),
        per_layer=("layer_types",),
        final_norm="final_norm",
        first_lacks_norm="attn_norm",
        projections=("attn.Wqkv",),
        plain_scores=False,
        one_mask=False,
        weights={
            "vocab_size": ("embeddings.tok_embeddings.weight", 0),
            "hidden_size": ("layers.0.mlp.Wo.weight", 0),
            "intermediate_size": ("layers.0.mlp.Wo.weight", 1),
        },
    ),
}
"""By the config's `model_type`; `deberta-v2` is DeBERTa-v3 too."""


COMMON = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
"""The names under which the library knows the sizes of all families."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of an encoder: layers, width of the hidden states, attention heads, vocabulary."""

    model_type: str
    layers: int
    width: int
    heads: int
    vocab_size: int


def family_of(model_type: str | None) -> Family:
    """The family of a config's `model_type`."""
    family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
    if family is None:
        shared = ": its layers share weights, nothing can be cut" if model_type == "albert" else ""
        raise UserError(
            f"model_type {model_type!r} cannot be distilled here{shared}; supported:"
            f" {', '.join(FAMILIES)}"
        )
    return family


def check_plain_scores(model_type: str) -> None:
    """Refuse a family whose attention scores are not the plain product of queries and keys.

    DeBERTa and MPNet add terms of relative positions; ModernBERT turns queries and keys by their
    positions and most of its layers see a window only.
    """
    if not family_of(model_type).plain_scores:
        plain = ", ".join(name for name, family in FAMILIES.items() if family.plain_scores)
        raise UserError(
            f"attention scores of model_type {model_type!r} depend on positions and are not"
            f" compared here: choose another method, or an encoder of {plain}"
        )


def shape_of(config: Mapping[str, Any]) -> Shape:
    """The shape that a model's parsed config.json describes.

    Raises:
        UserError: unknown family, or a size that is not a positive integer.
    """
    model_type = config.get("model_type")
    family = family_of(model_type)
    own = (family.layers, family.width, family.heads, "vocab_size")
    # The library takes the common names too, and lets them win.
    names = [common if common in config else name for common, name in zip(COMMON, own, strict=True)]
    sizes = [config.get(name, known) for name, known in zip(names, family.defaults, strict=True)]
    for name, size in zip(names, sizes, strict=True):
        if type(size) is not int or size < 1:
            raise UserError(f"config.json says {name} = {size!r}; a positive integer is needed")
    if sizes[1] % sizes[2]:
        raise UserError(
            f"config.json says {names[1]} = {sizes[1]}, which {names[2]} = {sizes[2]} cannot share"
        )
    return Shape(str(model_type), *sizes)


@dataclass(frozen=True, slots=True)
class TokenLayers:
    """Layers by number, counted from 1; only these are kept, because each is large."""

    # layers whose hidden states are wanted; 0 is the output of the embeddings
    states: tuple[int, ...] = ()
    scores: tuple[int, ...] = ()  # layers whose attention scores before the softmax are wanted
    qkv: tuple[int, ...] = ()  # layers whose queries, keys and values are wanted
