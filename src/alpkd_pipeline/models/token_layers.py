"""Which layers of a model a loss on single tokens wants to see. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenLayers:
    """Layers by number, counted from 1; only these are kept, because each is large.

    Attributes:
        states: layers whose hidden states are wanted; 0 is the output of the embeddings.
        scores: layers whose attention scores before the softmax are wanted.
        qkv: layers whose queries, keys and values are wanted.
    """

    states: tuple[int, ...] = ()
    scores: tuple[int, ...] = ()
    qkv: tuple[int, ...] = ()
