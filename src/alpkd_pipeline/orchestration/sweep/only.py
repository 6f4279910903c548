"""`--only`: a part of the grid, as it is written on the command line."""

from __future__ import annotations

from typing import Any

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.orchestration.sweep.where import COORDINATES

NUMBERS = ("layers", "seed", "teacher_seed")


def parse_only(text: str) -> dict[str, Any]:
    """Read `task=mrpc,method=alp_kd|kd,seed=0|1` as a `where`.

    Raises:
        UserError: names what cannot be read.
    """
    where: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, values = part.partition("=")
        if not equals or not values:
            raise UserError(f"--only {part}: write name=value, several values joined by |")
        if name not in COORDINATES:
            hint = did_you_mean(name, COORDINATES, "; {}") or f"; known: {', '.join(COORDINATES)}"
            raise UserError(f"--only {part}: unknown name '{name}'{hint}")
        if name in where:
            raise UserError(f"--only: '{name}' is given twice; join its values by |")
        where[name] = [_value(name, value, part) for value in values.split("|")]
    return where


def _value(name: str, text: str, part: str) -> Any:
    if name not in NUMBERS:
        return text
    if not text.isdigit():
        raise UserError(f"--only {part}: '{text}' is not a whole number")
    return int(text)
