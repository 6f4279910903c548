"""Nested dictionaries under dotted names, and what differs between several of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

NO_EFFECT = frozenset({"threads", "device", "log_every", "checkpoint_every"})
"""Training parameters that no result depends on, but for its last digits: they say where, how
loudly and how safely a model is trained. What they became is in the run's event log."""

PATHS_WITHOUT_EFFECT = frozenset(
    f"{block}.{name}" for block in ("training", "teacher.training") for name in NO_EFFECT
) | {"teacher.allow_constant"}
"""Their full names, the student's and the teacher's, and that of a permission."""


def flat(
    values: Mapping[str, Any], prefix: str = "", whole: Collection[str] = ()
) -> dict[str, Any]:
    """`{"a": {"b": 1}}` as `{"a.b": 1}`; empty dictionaries are left out.

    `prefix` stands before each name; `whole` are dotted names of dictionaries that are values.
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        inner = isinstance(value, Mapping) and name not in whole
        found |= flat(value, f"{name}.", whole) if inner else {name: value}
    return found


def block(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A dictionary inside another one; empty if there is none, as in a damaged run.json."""
    found = values.get(name)
    return found if isinstance(found, Mapping) else {}


def differences(*runs: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    """The dotted names whose values differ -> the value in each; None where it is not there."""
    each = [flat(run) for run in runs]
    values = {name: tuple(one.get(name) for one in each) for one in each for name in one}
    return {name: found for name, found in values.items() if any(v != found[0] for v in found)}
