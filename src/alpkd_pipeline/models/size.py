"""How large a model is."""

from __future__ import annotations

from torch import nn


def count_parameters(model: nn.Module) -> dict[str, int]:
    """Parameters in all, and without the embedding tables that depth does not change."""
    total = sum(p.numel() for p in model.parameters())
    tables = {
        id(m.weight): m.weight.numel() for m in model.modules() if isinstance(m, nn.Embedding)
    }
    return {"total": total, "without_embeddings": total - sum(tables.values())}
