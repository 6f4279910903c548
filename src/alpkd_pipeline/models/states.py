"""A model's pooled layer states: what a distillation loss compares.

Shapes: B examples, S tokens, L layers, D width, C classes (1 for a regression).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.shape import family_of


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
