"""Nested dictionaries and the dotted names of their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merged(below: Mapping[str, Any], on_top: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees as one; where both have a value, that of `on_top` stands. Neither is changed."""
    out = dict(below)
    for key, value in on_top.items():
        old = out.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        out[key] = value
    return out


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    out: dict[str, Any] = {}
    for name, value in flat.items():
        tree: Any = value
        for part in reversed(name.split(".")):
            tree = {part: tree}
        out = merged(out, tree)
    return out
