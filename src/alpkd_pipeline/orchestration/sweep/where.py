"""Which cells a rule speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COORDINATES = ("task", "method", "layers", "seed", "teacher_seed")
"""What tells the cells of a grid apart."""


def matches(where: Mapping[str, Any], coordinates: Mapping[str, Any]) -> bool:
    """Whether a cell is meant.

    Args:
        where: some of `COORDINATES`, each with a value or a list of values. An empty one means
            every cell.
        coordinates: those of the cell.
    """
    return all(
        coordinates.get(name) in (wanted if isinstance(wanted, list | tuple) else (wanted,))
        for name, wanted in where.items()
    )
