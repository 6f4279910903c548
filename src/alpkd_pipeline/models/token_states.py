"""A model's states token by token: what TinyBERT and MiniLMv2 compare.

Queries, keys and values are what the projections of a layer's attention give out, read by forward
hooks that are gone after the pass. So they are what they are before rotary positions are applied
(ModernBERT), and contents without positions (DeBERTa).

Shapes: B examples, S tokens, K layers that were asked for, D width, E width of all attention heads
together, H heads, C classes (1 for a regression).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from alpkd_pipeline.models.shape import check_plain_scores, family_of
from alpkd_pipeline.models.states import final_norm, model_inputs
from alpkd_pipeline.models.token_layers import TokenLayers


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
