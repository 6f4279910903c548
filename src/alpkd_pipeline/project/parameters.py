"""Nested parameters, the dotted names of their values, and the coordinates of experiments."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from alpkd_pipeline.coordinates import PLACES
from alpkd_pipeline.distillation.method_spec import MethodSpec
from alpkd_pipeline.distillation.method_table import METHODS, WEIGHTS
from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.diff import NO_EFFECT, flat


def merged(below: Mapping[str, Any], on_top: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees as one; where both have a value, that of `on_top` stands. Neither is changed."""
    out = dict(below)
    for key, value in on_top.items():
        old = out.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        out[key] = value
    return out


def nested(named: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`."""
    out: dict[str, Any] = {}
    for name, value in named.items():
        tree: Any = value
        for part in reversed(name.split(".")):
            tree = {part: tree}
        out = merged(out, tree)
    return out


WORDS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
"""What these words mean on the command line, beside what Kedro turns into numbers."""


def words_to_values(given: Any) -> Any:
    """Kedro turns numbers on the command line into numbers; this adds true, false and null."""
    if isinstance(given, dict):
        return {key: words_to_values(value) for key, value in given.items()}
    return WORDS.get(given, given) if isinstance(given, str) else given


def repeat_command(env: str | None, given: Mapping[str, Any]) -> str:
    """`kedro run` with some parameters; where results go is left to whoever repeats it."""
    told = {name: value for name, value in given.items() if name not in ("run", "compare")}
    pairs = ",".join(f"{name}={_as_typed(value)}" for name, value in flat(told).items())
    options = [f"--env={env}"] if env else []
    options += [f"--params={pairs}"] if pairs else []
    return shlex.join(["kedro", "run", "--pipeline=distill", *options])


def _as_typed(value: Any) -> str:
    """A value as it is written on the command line."""
    if isinstance(value, list | tuple):
        return "|".join(map(str, value))
    words = {id(word): name for name, word in WORDS.items()}
    return words.get(id(value), str(value))


def coordinate_params(coordinates: Mapping[str, Any]) -> dict[str, Any]:
    """Coordinates as nested parameters."""
    return nested({PLACES[name]: value for name, value in coordinates.items()})


def study_title(coordinates: Mapping[str, Any]) -> str:
    """What people call a task, method and depth: `mrpc alp_kd 3L`."""
    return f"{coordinates['task']} {coordinates['method']} {coordinates['layers']}L"


FIXED = ("selection", "holdout_fraction")
"""Training settings that say how trials are judged; a search must not choose its own judge."""


def settable() -> list[str]:
    """Every dotted name that a search or a tuned preset may set."""
    training = {field.name for field in fields(TrainingSettings)} - set(FIXED) - NO_EFFECT
    method = {*WEIGHTS, "temperature", "soft_scale", "pooling", "projection"}
    method |= {option for spec in METHODS.values() for option in spec.options}
    return sorted([f"training.{n}" for n in training] + [f"method.{n}" for n in method])


def check_settable(name: str, place: str) -> None:
    """Refuse a dotted name that cannot be chosen; the place is where it stands."""
    known = settable()
    if name not in known:
        raise UserError(
            f"{place}: '{name}' cannot be tuned{did_you_mean(name, known, '; {}')} (training.* and"
            " method.* can, but for what decides how trials are judged or has no effect on a"
            " result)"
        )


def has_setting(spec: MethodSpec, name: str, *, regression: bool = False) -> bool:
    """Whether a setting of `settable()` has an effect on what a method does.

    In a regression the soft term compares the outputs as they are, without T and its factor.
    """
    block, _, tail = name.partition(".")
    if block != "method":
        return True
    if tail in WEIGHTS:
        return WEIGHTS[tail] in spec.terms
    if tail in ("temperature", "soft_scale"):
        return "soft" in spec.terms and not regression
    if tail == "pooling":
        return "layers" in spec.needs
    return spec.compares_layers if tail == "projection" else tail in spec.options
