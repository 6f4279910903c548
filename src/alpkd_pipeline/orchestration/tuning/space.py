"""The space of a search: what each setting may be, for all methods and for one."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from alpkd_pipeline.distillation.method_row import MethodRow
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.tuning.names import check_settable, has_setting

Value: TypeAlias = bool | int | float | str
Point: TypeAlias = dict[str, Value]
"""One value for each setting, by dotted name."""

LARGEST_GRID = 1_000_000


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two ends, evenly or (`log`) evenly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False


Space: TypeAlias = dict[str, "tuple[Value, ...] | Range"]


def read_space(raw: Mapping[str, Any]) -> Space:
    """The space as given in tune.yml.

    Raises:
        UserError: one line that names the setting.
    """
    if not raw:
        raise UserError("space is empty: name at least one setting, like training.lr")
    return {str(name): _dimension(str(name), given) for name, given in raw.items()}


def space_of(space: Space, row: MethodRow, *, regression: bool) -> Space:
    """The part of a space that a method has; what it lacks is not searched.

    Args:
        space: the whole space.
        row: the method.
        regression: whether the task is one, where no temperature is used.
    """
    return {n: v for n, v in space.items() if has_setting(row, n, regression=regression)}


def size(space: Space) -> int | None:
    """How many points a space has; None if one of its settings is a range."""
    lengths = [len(v) for v in space.values() if not isinstance(v, Range)]
    return math.prod(lengths) if len(lengths) == len(space) else None


def grid(space: Space, limit: int) -> list[Point]:
    """The first points of a finite space in a fixed random order.

    A larger limit only adds points, and methods with the same space get the same ones.

    Args:
        space: lists only.
        limit: the largest number of points.
    """
    count = size(space) or 0
    if count > LARGEST_GRID:
        raise UserError(
            f"the space has {count} points; shorten its lists or use ranges with sampler: random"
        )
    order = list(range(count))
    random.Random(0).shuffle(order)
    return [_point(space, index) for index in order[:limit]]


def _point(space: Space, index: int) -> Point:
    """The point of a number, as digits of a number system with one base per setting."""
    out: Point = {}
    for name, values in space.items():
        assert not isinstance(values, Range)
        index, digit = divmod(index, len(values))
        out[name] = values[digit]
    return out


def _dimension(name: str, given: Any) -> tuple[Value, ...] | Range:
    check_settable(name, "space")
    if isinstance(given, Mapping):
        return _range(name, given)
    if not isinstance(given, list | tuple) or not given:
        raise UserError(
            f"space.{name} = {given!r}: should be a list of values or"
            " {low: ..., high: ..., log: true}"
        )
    for value in given:
        if not isinstance(value, bool | int | float | str):
            raise UserError(f"space.{name} holds {value!r}: give numbers or words")
    if len({repr(value) for value in given}) < len(given):
        raise UserError(f"space.{name} = {given!r}: a value is listed twice")
    return tuple(given)


def _range(name: str, given: Mapping[str, Any]) -> Range:
    unknown = sorted(set(given) - {"low", "high", "log"})
    ends = [given.get("low"), given.get("high")]
    numbers = all(isinstance(e, int | float) and not isinstance(e, bool) for e in ends)
    if unknown or not numbers or not isinstance(given.get("log", False), bool):
        raise UserError(
            f"space.{name} = {dict(given)!r}: a range has low and high, two numbers,"
            " and log: true or false"
        )
    low, high, log = float(given["low"]), float(given["high"]), bool(given.get("log", False))
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (log and low <= 0):
        wanted = "0 < low < high" if log else "low < high"
        raise UserError(f"space.{name} = {dict(given)!r}: needs {wanted}")
    return Range(low, high, log)
