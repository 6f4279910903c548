"""A search as tune.yml describes it: checked, typed, frozen."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from alpkd_pipeline.distillation.method_spec import MethodSpec
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.grid import SET_BY_THE_GRID, CampaignSpec, Seeds
from alpkd_pipeline.project.parameters import check_settable, has_setting
from alpkd_pipeline.project.params import Whole
from alpkd_pipeline.store.diff import flat

Sampler = Literal["grid", "tpe", "random"]

Value: TypeAlias = bool | int | float | str
Point: TypeAlias = dict[str, Value]
"""One value for each setting, by dotted name."""

LARGEST_GRID = 1_000_000


@dataclass(frozen=True, config={"strict": True, "extra": "forbid"})
class Range:
    """Numbers between two ends, evenly or (`log`) evenly on a logarithmic scale."""

    low: float
    high: float
    log: bool = False


Space: TypeAlias = dict[str, "tuple[Value, ...] | Range"]


def read_space(raw: Mapping[str, Any]) -> Space:
    """The space as given in tune.yml."""
    if not raw:
        raise UserError("space is empty: name at least one setting, like training.lr")
    return {str(name): _dimension(str(name), given) for name, given in raw.items()}


def space_of(space: Space, spec: MethodSpec, *, regression: bool) -> Space:
    """The part of a space that a method has; what it lacks is not searched."""
    return {n: v for n, v in space.items() if has_setting(spec, n, regression=regression)}


def size(space: Space) -> int | None:
    """How many points a space has; None if one of its settings is a range."""
    lengths = [len(v) for v in space.values() if not isinstance(v, Range)]
    return math.prod(lengths) if len(lengths) == len(space) else None


def grid(space: Space, limit: int | None = None) -> list[Point]:
    """The first points of a finite space in a fixed random order, all without a limit. A larger
    limit only adds points, and methods with the same space get the same ones."""
    count = size(space) or 0
    if count > LARGEST_GRID:
        raise UserError(
            f"the space has {count} points; shorten its lists or use ranges with sampler: random"
        )
    lists = [values for values in space.values() if not isinstance(values, Range)]
    points = list(product(*reversed(lists)))  # the first setting varies first
    random.Random(0).shuffle(points)
    return [dict(zip(space, reversed(point), strict=True)) for point in points[:limit]]


def points_of(space: Space, sampler: Sampler, budget: int) -> list[Point] | None:
    """The points that a study tries, in their order; None where they are drawn one by one."""
    possible = size(space)
    drawn = possible is None or (sampler == "tpe" and possible > budget)
    return None if drawn else grid(space, budget)


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
    told = f"space.{name} = {dict(given)!r}:"
    try:
        found = Range(**given)
    except (TypeError, ValidationError):
        raise UserError(
            f"{told} a range has low and high, two numbers, and log: true or false"
        ) from None
    if not (0 if found.log else -math.inf) < found.low < found.high < math.inf:
        raise UserError(f"{told} needs {'0 < ' if found.log else ''}low < high")
    return found


class TuneSpec(CampaignSpec):
    """One study for each task, method and depth, all with the same budget."""

    file = "tune.yml"
    page = "docs/tuning.md"

    seeds: Seeds = (0,)
    sampler: Sampler = "grid"
    trials: Annotated[Whole, Field(ge=1)]
    selection: Literal["holdout", "dev"] = "holdout"
    space: dict[str, Any]

    @property
    def dimensions(self) -> Space:
        """The checked space."""
        return read_space(self.space)

    @model_validator(mode="after")
    def _searches_what_it_can(self) -> Self:
        rows = [get_spec(name) for name in self.methods]
        for name, given in self.dimensions.items():
            if self.sampler == "grid" and isinstance(given, Range):
                raise UserError(
                    f"space.{name} is a range, and sampler: grid needs lists; use tpe or random"
                )
            if not any(has_setting(row, name) for row in rows):
                raise UserError(f"space.{name}: no method of this search has it")
        for settings in (self.params, *(rule.settings for rule in self.overrides)):
            check_not_searched(self, settings, "params and overrides")
        return self


def check_not_searched(spec: TuneSpec, settings: Mapping[str, Any], place: str) -> None:
    """Refuse settings that a search chooses itself."""
    why = dict.fromkeys(SET_BY_THE_GRID, "tune.yml has a list of its values")
    why["teacher.seed"] = "a trial's teacher has the seed of its student"
    why["training.selection"] = "it is 'selection' in tune.yml"
    if spec.selection == "holdout":
        held_out = "teacher.training.selection", "teacher.training.holdout_fraction"
        why |= dict.fromkeys(held_out, "a trial's teacher leaves out the rows of its student")
    why |= dict.fromkeys(spec.space, "it is in the space")
    given = flat(settings)
    for name, reason in why.items():
        if name in given:
            raise UserError(f"{place} cannot set '{name}': {reason}")
