"""A model's pooled layer states: what a distillation loss compares.

Shapes: B examples, S tokens, L layers, D width, C classes (1 for a regression).

A model's states token by token: what TinyBERT and MiniLMv2 compare.

Queries, keys and values are what the projections of a layer's attention give out, read by forward
hooks that are gone after the pass. So they are what they are before rotary positions are applied
(ModernBERT), and contents without positions (DeBERTa).

Shapes: B examples, S tokens, K layers that were asked for, D width, E width of all attention heads
together, H heads, C classes (1 for a regression).
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers, check_plain_scores, family_of


def forward_signal(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], pooling: str, layers: bool
) -> tuple[Tensor, Tensor | None]:
    """One forward pass.

    Args:
        model: a sequence classifier of a known family.
        inputs: padded `input_ids` (B, S), with `token_type_ids` if the tokenizer makes them, and
            `attention_mask` if any row is padded; those that the model has no use for are left out.
        pooling: `cls` or `mean`, see `pooled_layers`.
        layers: whether the pooled states are wanted; without them less memory is held.

    Returns:
        The logits (B, C) and the pooled states (B, L, D) or None.
    """
    fed = model_inputs(model, inputs)
    outputs = model(**fed, output_hidden_states=layers, return_dict=True)
    if not layers:
        return outputs.logits, None
    pooled = pooled_layers(model, outputs.hidden_states, inputs.get("attention_mask"), pooling)
    return outputs.logits, pooled


def model_inputs(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inputs that a model takes.

    A split is encoded once, with the teacher's tokenizer; a student of another family may know no
    token types, or a single one. The mask comes ready for the attention where it can: of a mask
    (B, S) the library asks whether it is all ones, and a GPU would have to answer in every pass.
    """
    fed = dict(inputs)
    known = _arguments(type(model).forward)
    if getattr(model.config, "type_vocab_size", 0) < 2 or "token_type_ids" not in known:
        fed.pop("token_type_ids", None)
    mask = fed.get("attention_mask")
    if mask is not None and _takes_ready_mask(model):
        tokens = mask.shape[1]
        fed["attention_mask"] = mask.bool()[:, None, None, :].expand(-1, 1, tokens, -1)
    return fed


def _takes_ready_mask(model: PreTrainedModel) -> bool:
    config = model.config
    return family_of(config.model_type).one_mask and config._attn_implementation == "sdpa"


@cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def pooled_layers(
    model: PreTrainedModel,
    hidden_states: Sequence[Tensor],
    attention_mask: Tensor | None,
    pooling: str,
) -> Tensor:
    """The pooled output of every layer.

    Where the last state alone has passed a final norm (ModernBERT), the other layers get the same
    norm, so that all are on one scale.

    Args:
        model: the model that made the states.
        hidden_states: L + 1 tensors (B, S, D) as the model returns them; the first one, the
            output of the embeddings, is no layer.
        attention_mask: (B, S), 1 for tokens and 0 for padding; None where nothing is padded.
        pooling: `cls` takes position 0; `mean` averages over the tokens, special ones included.

    Returns:
        (B, L, D), first layer first.

    Raises:
        UserError: unknown pooling.
    """
    states = hidden_states[1:]
    norm = final_norm(model)
    if pooling == "cls":
        # Slicing comes first: the other positions would be copied and normed for nothing.
        cut = [state[:, 0] for state in states]
        return torch.stack([*(norm(state) for state in cut[:-1]), cut[-1]], dim=1)
    if pooling == "mean":
        normed = [*(norm(state) for state in states[:-1]), states[-1]]
        return torch.stack([_mean(state, attention_mask) for state in normed], dim=1)
    raise UserError(f"pooling {pooling!r} is unknown; choose cls or mean")


def _mean(state: Tensor, attention_mask: Tensor | None) -> Tensor:
    dtype = torch.promote_types(state.dtype, torch.float32)
    if attention_mask is None:
        return state.to(dtype).mean(dim=1)
    # Multiplied and summed, not einsum: autocast would add up in half precision.
    kept = attention_mask[..., None].to(dtype)
    return (state * kept).sum(dim=1) / kept.sum(dim=1)


def final_norm(model: PreTrainedModel) -> torch.nn.Module:
    """The norm that only the last hidden state has passed; the identity in most families."""
    name = family_of(model.config.model_type).final_norm
    return model.base_model.get_submodule(name) if name else torch.nn.Identity()


@dataclass(frozen=True, slots=True)
class TokenStates:
    """One pass of a model; what was not asked for is None.

    Attributes:
        logits: (B, C).
        states: (B, K, S, D) hidden states.
        scores: (B, K, H, S, S), q k^T / sqrt(E / H), in at least fp32; padding is in them.
        qkv: (B, K, 3, S, E) queries, keys and values.
    """

    logits: Tensor
    states: Tensor | None
    scores: Tensor | None
    qkv: Tensor | None


def forward_tokens(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], wanted: TokenLayers
) -> TokenStates:
    """One forward pass that keeps token-level states of some layers.

    Args:
        model: a sequence classifier of a known family.
        inputs: padded `input_ids` (B, S), with `token_type_ids` if the tokenizer makes them, and
            `attention_mask` if any row is padded.
        wanted: the layers.

    Raises:
        UserError: scores are wanted of a family whose attention is more than q k^T.
    """
    if wanted.scores:
        check_plain_scores(model.config.model_type)
    hidden = bool(wanted.states)
    with attention_projections(model, {*wanted.scores, *wanted.qkv}) as seen:
        outputs = model(
            **model_inputs(model, inputs), output_hidden_states=hidden, return_dict=True
        )
    heads = int(model.config.num_attention_heads)
    scores = [attention_scores(seen[k][0], seen[k][1], heads) for k in wanted.scores]
    qkv = [torch.stack([seen[k][part] for part in range(3)], dim=1) for k in wanted.qkv]
    return TokenStates(
        logits=outputs.logits,
        states=_states(model, outputs.hidden_states, wanted.states) if hidden else None,
        scores=torch.stack(scores, dim=1) if scores else None,
        qkv=torch.stack(qkv, dim=1) if qkv else None,
    )


@contextmanager
def attention_projections(
    model: PreTrainedModel, layers: set[int]
) -> Iterator[dict[int, dict[int, Tensor]]]:
    """A context in which a forward pass leaves its queries, keys and values.

    Args:
        model: a model of a known family.
        layers: layers counted from 1.

    Yields:
        What the pass fills: by layer, query (0), key (1) and value (2), each (B, S, E).
    """
    family = family_of(model.config.model_type)
    blocks = model.base_model.get_submodule(family.layers_path)
    seen: dict[int, dict[int, Tensor]] = {layer: {} for layer in layers}
    parts = 3 // len(family.projections)
    handles = []
    try:
        for layer, kept in seen.items():
            block = blocks.get_submodule(str(layer - 1))
            for place, name in enumerate(family.projections):
                hook = _Keep(kept, place, parts)
                handles.append(block.get_submodule(name).register_forward_hook(hook))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


class _Keep:
    """A hook that keeps the output of its module's first call in a pass."""

    def __init__(self, kept: dict[int, Tensor], place: int, parts: int) -> None:
        self._kept, self._place, self._parts = kept, place, parts

    def __call__(self, module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        # DeBERTa calls its projections once more, on the embeddings of relative positions.
        if self._place not in self._kept:
            self._kept.update(enumerate(output.chunk(self._parts, dim=-1), start=self._place))


def attention_scores(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """The scores of every head, q k^T / sqrt(E / H), in at least fp32.

    Args:
        query: (B, S, E).
        key: (B, S, E).
        heads: H.

    Returns:
        (B, H, S, S).
    """
    dtype = torch.promote_types(query.dtype, torch.float32)
    batch, tokens, _ = query.shape
    ours, theirs = (
        x.to(dtype).reshape(batch, tokens, heads, -1).transpose(1, 2) for x in (query, key)
    )
    # Autocast would lower the product to half precision again.
    with torch.autocast(device_type=query.device.type, enabled=False):
        return ours @ theirs.mT / math.sqrt(ours.shape[-1])


def _states(model: PreTrainedModel, hidden: Sequence[Tensor], layers: Sequence[int]) -> Tensor:
    norm, last = final_norm(model), len(hidden) - 1
    # As for pooled states: the layers in between get the norm that the last one has passed.
    return torch.stack([norm(hidden[k]) if 0 < k < last else hidden[k] for k in layers], dim=1)
