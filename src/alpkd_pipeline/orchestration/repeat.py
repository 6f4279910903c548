"""The command line that makes a cell again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
"""What these words mean on the command line, beside what Kedro turns into numbers."""


def repeat_command(env: str | None, given: Mapping[str, Any]) -> str:
    """`kedro run` with some parameters; where results go is left to whoever repeats it.

    Args:
        env: the configuration environment.
        given: nested parameters that win over conf/.
    """
    flat = _flat({name: value for name, value in given.items() if name not in ("run", "compare")})
    parts = ["kedro", "run", "--pipeline=distill"]
    if env:
        parts.append(f"--env={env}")
    if flat:
        pairs = ",".join(f"{name}={_as_typed(value)}" for name, value in flat.items())
        parts.append(f"--params={pairs}")
    return shlex.join(parts)


def _flat(given: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in given.items():
        inner = _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {}
        found |= inner or {f"{prefix}{key}": value}
    return found


def _as_typed(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return "|".join(map(str, value))
    words = {id(word): name for name, word in WORDS.items()}
    return words.get(id(value), str(value))
