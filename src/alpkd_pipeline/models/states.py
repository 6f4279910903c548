"""What distillation losses compare: a model's pooled layers, or its states token by token.

Queries, keys and values are what the projections of a layer's attention give out, read by forward
hooks that are gone after the pass. So they are what they are before rotary positions are applied
(ModernBERT), and contents without positions (DeBERTa).

Shapes: B examples, S tokens, L layers, K layers that were asked for, D width, E width of all
attention heads together, H heads, C classes (1 for a regression). Inputs are padded `input_ids`
(B, S), with `token_type_ids` if the tokenizer makes them, and `attention_mask` (1 for tokens and 0
for padding) if any row is padded.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import TokenLayers, check_plain_scores, family_of


def forward_signal(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], pooling: str, layers: bool
) -> tuple[Tensor, Tensor | None]:
    """One forward pass: logits (B, C), `pooled_layers` (B, L, D) or, which saves memory, None."""
    outputs = model(**model_inputs(model, inputs), output_hidden_states=layers, return_dict=True)
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
    mask, config = fed.get("attention_mask"), model.config
    ready = family_of(config.model_type).one_mask and config._attn_implementation == "sdpa"
    if mask is not None and ready:
        tokens = mask.shape[1]
        fed["attention_mask"] = mask.bool()[:, None, None, :].expand(-1, 1, tokens, -1)
    return fed


@cache
def _arguments(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def pooled_layers(
    model: PreTrainedModel,
    hidden_states: Sequence[Tensor],
    attention_mask: Tensor | None,
    pooling: str,
) -> Tensor:
    """The pooled output of every layer, (B, L, D), first layer first.

    Where the last state alone has passed a final norm (ModernBERT), the other layers get the same
    norm, so that all are on one scale. `cls` takes position 0; `mean` averages over the tokens,
    special ones included. Of the L + 1 hidden states (B, S, D) the first one, the output of the
    embeddings, is no layer.
    """
    if pooling not in ("cls", "mean"):
        raise UserError(f"pooling {pooling!r} is unknown; choose cls or mean")
    states = list(hidden_states[1:])
    if pooling == "cls":
        # Slicing comes first: the other positions would be copied and normed for nothing.
        states = [state[:, 0] for state in states]
    states[:-1] = map(final_norm(model), states[:-1])
    if pooling == "mean":
        states = [_mean(state, attention_mask) for state in states]
    return torch.stack(states, dim=1)


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


def forward_tokens(
    model: PreTrainedModel, inputs: Mapping[str, Tensor], wanted: TokenLayers
) -> dict[str, Tensor]:
    """One forward pass of a sequence classifier that keeps token-level states of some layers.

    Gives `logits` (B, C), and what was asked for: `states` (B, K, S, D), hidden states; `scores`
    (B, K, H, S, S), q k^T / sqrt(E / H), in at least fp32, padding in them; `qkv` (B, K, 3, S, E),
    queries, keys and values. UserError for scores of a family whose attention is more than q k^T.
    """
    if wanted.scores:
        check_plain_scores(model.config.model_type)
    with attention_projections(model, {*wanted.scores, *wanted.qkv}) as seen:
        fed = model_inputs(model, inputs)
        outputs = model(**fed, output_hidden_states=bool(wanted.states), return_dict=True)
    heads = int(model.config.num_attention_heads)
    norm, hidden = final_norm(model), outputs.hidden_states or ()
    # As for pooled states: the layers in between get the norm that the last one has passed.
    between = range(1, len(hidden) - 1)
    parts = {
        "states": [norm(hidden[k]) if k in between else hidden[k] for k in wanted.states],
        "scores": [attention_scores(seen[k][0], seen[k][1], heads) for k in wanted.scores],
        "qkv": [torch.stack([seen[k][i] for i in range(3)], dim=1) for k in wanted.qkv],
    }
    stacked = {name: torch.stack(part, dim=1) for name, part in parts.items() if part}
    return {"logits": outputs.logits, **stacked}


@contextmanager
def attention_projections(
    model: PreTrainedModel, layers: set[int]
) -> Iterator[dict[int, dict[int, Tensor]]]:
    """A context in which a pass leaves some layers' query (0), key (1) and value (2), (B, S, E)."""
    family = family_of(model.config.model_type)
    blocks = model.base_model.get_submodule(family.layers_path)
    seen: dict[int, dict[int, Tensor]] = {layer: {} for layer in layers}
    parts = 3 // len(family.projections)
    handles = []
    try:
        for layer, kept in seen.items():
            block = blocks.get_submodule(str(layer - 1))
            for index, name in enumerate(family.projections):
                hook = partial(_keep, kept, index, parts)
                handles.append(block.get_submodule(name).register_forward_hook(hook))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _keep(
    kept: dict[int, Tensor], index: int, parts: int, _module: nn.Module, _args: Any, output: Tensor
) -> None:
    # Of the first call: DeBERTa projects once more, the embeddings of relative positions.
    if index not in kept:
        kept.update(enumerate(output.chunk(parts, dim=-1), start=index))


def attention_scores(query: Tensor, key: Tensor, heads: int) -> Tensor:
    """q k^T / sqrt(E / H) of every head (B, H, S, S), in at least fp32, of (B, S, E)."""
    dtype = torch.promote_types(query.dtype, torch.float32)
    shape = (*query.shape[:2], heads, -1)
    q, k = (x.to(dtype).reshape(shape).transpose(1, 2) for x in (query, key))
    # Autocast would lower the product to half precision again.
    with torch.autocast(device_type=query.device.type, enabled=False):
        return q @ k.mT / math.sqrt(q.shape[-1])
