"""Nested dictionaries and the dotted names of their values."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from alpkd_pipeline.distillation.method_row import MethodRow
from alpkd_pipeline.distillation.method_table import METHODS, WEIGHTS
from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.params import NO_EFFECT, TrainingParams


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


FIXED = ("selection", "holdout_fraction")
"""Training settings that say how trials are judged; a search must not choose its own judge."""


def settable() -> list[str]:
    """Every dotted name that a search or a tuned preset may set."""
    training = set(TrainingParams.model_fields) - set(FIXED) - NO_EFFECT
    method = {*WEIGHTS, "temperature", "pooling", "projection"}
    method |= {option for row in METHODS.values() for option in row.options}
    return sorted([f"training.{n}" for n in training] + [f"method.{n}" for n in method])


def check_settable(name: str, place: str) -> None:
    """Refuse a name that cannot be chosen.

    Args:
        name: a dotted name.
        place: where it stands, for the message.

    Raises:
        UserError: names it, the place and what is close.
    """
    known = settable()
    if name in known:
        return
    raise UserError(
        f"{place}: '{name}' cannot be tuned{did_you_mean(name, known, '; {}')} (training.* and"
        " method.* can, but for what decides how trials are judged or has no effect on a result)"
    )


def has_setting(row: MethodRow, name: str, *, regression: bool = False) -> bool:
    """Whether a setting has an effect on what a method does.

    Args:
        row: the method.
        name: a dotted name of `settable()`.
        regression: on such a task the soft term compares the outputs as they are, without T.
    """
    block, _, tail = name.partition(".")
    if block != "method":
        return True
    if tail in WEIGHTS:
        return WEIGHTS[tail] in row.terms
    if tail == "temperature":
        return "soft" in row.terms and not regression
    if tail == "pooling":
        return "layers" in row.needs
    return row.compares_layers if tail == "projection" else tail in row.options
