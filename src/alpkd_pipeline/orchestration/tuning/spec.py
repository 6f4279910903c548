"""A search as tune.yml describes it: checked, typed, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError
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
from alpkd_pipeline.orchestration.tuning.names import has_setting
from alpkd_pipeline.orchestration.tuning.space import Range, Space, read_space
from alpkd_pipeline.params import Whole

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
