"""A search as tune.yml describes it: checked, typed, frozen."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alpkd_pipeline.distillation.method_row import MethodRow
from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.parameters import check_settable, has_setting
from alpkd_pipeline.orchestration.sweep.spec import (
    SET_BY_THE_GRID,
    Distinct,
    Layers,
    Method,
    Override,
    RayOptions,
    Seed,
    Settings,
    Task,
    read_first,
    spec_error,
)
from alpkd_pipeline.params import Whole

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


TUNE_FILE = "tune.yml"

HELD_OUT_TOO = ("teacher.training.selection", "teacher.training.holdout_fraction")
"""What a search sets for the teacher of a trial that is judged by a holdout."""


class TuneSpec(BaseModel):
    """One study for each task, method and depth, all with the same budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: Annotated[tuple[Task, ...], Field(min_length=1), Distinct]
    methods: Annotated[tuple[Method, ...], Field(min_length=1), Distinct]
    layers: Annotated[tuple[Layers, ...], Field(min_length=1), Distinct]
    sampler: Literal["grid", "tpe", "random"] = "grid"
    trials: Annotated[Whole, Field(ge=1)]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), Distinct] = (0,)
    selection: Literal["holdout", "dev"] = "holdout"
    space: dict[str, Any]
    params: Settings = {}
    overrides: tuple[Override, ...] = ()
    cells_per_gpu: Annotated[Whole, Field(ge=1)] = 1
    ray: RayOptions = RayOptions()

    @property
    def dimensions(self) -> Space:
        """The checked space."""
        return read_space(self.space)

    def plain(self) -> dict[str, Any]:
        """JSON-ready values with the names that users write."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_spec(conf: Path, environments: Iterable[str]) -> TuneSpec:
    """The search of an environment.

    Args:
        conf: the project's conf/.
        environments: where to look, first one first; the first tune.yml found is the whole
            search, nothing of another one is mixed in.

    Raises:
        UserError: there is none, or one line that names what is wrong in it.
    """
    return parse_spec(*read_first(conf, environments, TUNE_FILE, "docs/tuning.md"))


def parse_spec(values: Mapping[str, Any], shown: str = TUNE_FILE) -> TuneSpec:
    """Check a search's values.

    Args:
        values: as read from YAML.
        shown: what to call the file.

    Raises:
        UserError: one line that names the first wrong entry and what is allowed.
    """
    try:
        spec = TuneSpec.model_validate(dict(values))
    except ValidationError as error:
        raise UserError(f"{shown}: {spec_error(error, values, TuneSpec)}") from None
    try:
        _check_space(spec)
        for settings in (spec.params, *(rule.settings for rule in spec.overrides)):
            check_not_searched(spec, settings, "params and overrides")
    except UserError as error:
        raise UserError(f"{shown}: {error}") from None
    return spec


def check_not_searched(spec: TuneSpec, settings: Mapping[str, Any], place: str) -> None:
    """Refuse settings that a search chooses itself.

    Args:
        spec: the search.
        settings: nested parameters.
        place: where they stand, for the message.

    Raises:
        UserError: names the setting.
    """
    why = dict.fromkeys(SET_BY_THE_GRID, "tune.yml has a list of its values")
    why["teacher.seed"] = "a trial's teacher has the seed of its student"
    why["training.selection"] = "it is 'selection' in tune.yml"
    if spec.selection == "holdout":
        why |= dict.fromkeys(HELD_OUT_TOO, "a trial's teacher leaves out the rows of its student")
    why |= dict.fromkeys(spec.space, "it is in the space")
    for name, reason in why.items():
        if _is_set(settings, name):
            raise UserError(f"{place} cannot set '{name}': {reason}")


def _is_set(settings: Any, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(settings, Mapping) or part not in settings:
            return False
        settings = settings[part]
    return True


def _check_space(spec: TuneSpec) -> None:
    rows = [get_row(name) for name in spec.methods]
    for name, given in spec.dimensions.items():
        if spec.sampler == "grid" and isinstance(given, Range):
            raise UserError(
                f"space.{name} is a range, and sampler: grid needs lists; use tpe or random"
            )
        if not any(has_setting(row, name) for row in rows):
            raise UserError(f"space.{name}: no method of this search has it")
