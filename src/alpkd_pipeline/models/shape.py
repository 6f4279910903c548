"""The families of encoders that can be distilled, and the shape of a model from its config.json.

Standard library only: the configuration is checked before anything heavy is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alpkd_pipeline.errors import UserError


@dataclass(frozen=True, slots=True)
class Family:
    """Where a family of encoders keeps what the rest of the project asks for."""

    classifier: str  # the last linear layer of the sequence classifier, which gives the logits
    # layers, width, heads and vocabulary of a config that does not say them
    defaults: tuple[int, int, int, int]
    # for each size in the config a weight that has it, and in which dimension
    weights: Mapping[str, tuple[str, int]]
    layers_path: str = "encoder.layer"  # the list of layers inside the backbone
    # the config's names for the number of layers, the width of the hidden states, the number of
    # attention heads and the width of the feed-forward part
    layers: str = "num_hidden_layers"
    width: str = "hidden_size"
    heads: str = "num_attention_heads"
    inner: str = "intermediate_size"
    per_layer: tuple[str, ...] = ()  # names of config lists that have one entry a layer
    final_norm: str | None = None  # the backbone's norm that only the last hidden state has passed
    first_lacks_norm: str | None = None  # a layer's norm that the first layer alone does not have
    # the linear maps in a layer that give queries, keys and values, or the one that gives all three
    projections: tuple[str, ...] = tuple(f"attention.self.{p}" for p in ("query", "key", "value"))
    plain_scores: bool = True  # whether attention scores are q k^T / sqrt(d) and nothing else
    one_mask: bool = True  # whether all layers see the same tokens: the mask can be made once
    # the width of the embeddings of a config that does not say it, if not that of the hidden states
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
    "bert": Family("classifier", (12, 768, 12, 30522), _BERT),
    "roberta": Family("classifier.out_proj", (12, 768, 12, 50265), _BERT),
    "xlm-roberta": Family("classifier.out_proj", (12, 768, 12, 30522), _BERT),
    "camembert": Family("classifier.out_proj", (12, 768, 12, 30522), _BERT),
    "distilbert": Family(
        "classifier",
        (6, 768, 12, 30522),
        {
            **_TABLES,
            "dim": ("transformer.layer.0.ffn.lin2.weight", 0),
            "hidden_dim": ("transformer.layer.0.ffn.lin2.weight", 1),
        },
        layers_path="transformer.layer",
        layers="n_layers",
        width="dim",
        heads="n_heads",
        inner="hidden_dim",
        projections=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
    ),
    "electra": Family("classifier.out_proj", (12, 256, 4, 30522), _FACTORED, embedding=128),
    "mpnet": Family(
        "classifier.out_proj",
        (12, 768, 12, 30527),
        {
            **_TABLES,
            "hidden_size": (_FEED, 0),
            "intermediate_size": (_FEED, 1),
            # One table for all layers; it stands beside them and stays in a cut.
            "relative_attention_num_buckets": ("encoder.relative_attention_bias.weight", 0),
        },
        projections=("attention.attn.q", "attention.attn.k", "attention.attn.v"),
        plain_scores=False,
    ),
    "deberta-v2": Family(
        "classifier",
        (24, 1536, 24, 128100),
        {
            **_FACTORED,
            "pooler_hidden_size": (_FEED, 0),
            "conv_kernel_size": ("encoder.conv.conv.weight", 2),
        },
        projections=tuple(f"attention.self.{p}_proj" for p in ("query", "key", "value")),
        plain_scores=False,
        one_mask=False,
    ),
    "modernbert": Family(
        "classifier",
        (22, 768, 12, 50368),
        {
            "vocab_size": ("embeddings.tok_embeddings.weight", 0),
            "hidden_size": ("layers.0.mlp.Wo.weight", 0),
            "intermediate_size": ("layers.0.mlp.Wo.weight", 1),
        },
        layers_path="layers",
        per_layer=("layer_types",),
        final_norm="final_norm",
        first_lacks_norm="attn_norm",
        projections=("attn.Wqkv",),
        plain_scores=False,
        one_mask=False,
    ),
}
"""By the config's `model_type`; `deberta-v2` is DeBERTa-v3 too."""


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
    """The shape in a parsed config.json; UserError for another family, or sizes that cannot be."""
    model_type = config.get("model_type")
    family = family_of(model_type)
    names = [family.layers, family.width, family.heads, "vocab_size"]
    # The library takes the common names too, and lets them win.
    for i, common in enumerate(("num_hidden_layers", "hidden_size", "num_attention_heads")):
        names[i] = common if common in config else names[i]
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
    """What is wanted of which layers, counted from 1; only this is kept: each is large."""

    states: tuple[int, ...] = ()  # hidden states; 0 is the output of the embeddings
    scores: tuple[int, ...] = ()  # attention scores before the softmax
    qkv: tuple[int, ...] = ()  # queries, keys and values
