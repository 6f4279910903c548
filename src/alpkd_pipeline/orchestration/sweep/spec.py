"""A sweep as sweep.yml describes it: checked, typed, and no two ways to read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import OmegaConf
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from yaml import YAMLError

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError, did_you_mean, first_problem
from alpkd_pipeline.orchestration.parameters import nested
from alpkd_pipeline.params import NAME, Number, Whole

SWEEP_FILE = "sweep.yml"

SET_BY_THE_GRID = {
    "task.name": "tasks",
    "method.name": "methods",
    "student.layers": "layers",
    "seed": "seeds",
    "teacher.seed": "teacher_seeds",
}
"""Parameters that tell cells apart, and the list of sweep.yml that gives their values."""


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = next((value for n, value in enumerate(values) if value in values[:n]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} is given twice")
    return values


def _known_method(name: str) -> str:
    if name not in METHODS:
        hint = did_you_mean(name, METHODS)
        raise ValueError(f"unknown method '{name}'{hint}; known: {', '.join(METHODS)}")
    return name


def _as_list(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else [value]


def _nested_settings(values: dict[str, Any]) -> dict[str, Any]:
    tree = nested(values)
    for name, place in SET_BY_THE_GRID.items():
        block, _, leaf = name.rpartition(".")
        inside = tree.get(block, {}) if block else tree
        if isinstance(inside, dict) and leaf in inside:
            raise ValueError(f"'{name}' tells cells apart: give its values in {place}")
    if "run" in tree:
        raise ValueError("'run' is the same for all cells: give it with --params or in parameters")
    return tree


Task = Annotated[str, Field(pattern=NAME)]
Method = Annotated[str, AfterValidator(_known_method)]
Layers = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
Settings = Annotated[dict[str, Any], AfterValidator(_nested_settings)]
Distinct = AfterValidator(_distinct)
Listed = BeforeValidator(_as_list)


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Block):
    """Which cells a rule is for: a value or a list of values for some coordinates."""

    task: Annotated[tuple[Task, ...], Listed] | None = None
    method: Annotated[tuple[Method, ...], Listed] | None = None
    layers: Annotated[tuple[Layers, ...], Listed] | None = None
    seed: Annotated[tuple[Seed, ...], Listed] | None = None
    teacher_seed: Annotated[tuple[Seed, ...], Listed] | None = None

    @property
    def named(self) -> dict[str, tuple[Any, ...]]:
        """The coordinates that it names."""
        return self.model_dump(exclude_none=True)


class Override(_Block):
    """Settings for some of the cells."""

    where: Where
    settings: Settings = Field(alias="set", min_length=1)


class RayOptions(_Block):
    """Where Ray runs, for `--engine ray`."""

    address: str | None = None
    gpus_per_cell: Annotated[Number, Field(ge=0)] = 0.0


class SweepSpec(_Block):
    """A grid of cells: all combinations of the lists but for the excluded ones."""

    tasks: Annotated[tuple[Task, ...], Field(min_length=1), Distinct]
    methods: Annotated[tuple[Method, ...], Field(min_length=1), Distinct]
    layers: Annotated[tuple[Layers, ...], Field(min_length=1), Distinct]
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]
    teacher_seeds: Literal["same"] | Annotated[tuple[Seed, ...], Field(min_length=1), Distinct] = (
        "same"
    )
    params: Settings = {}
    overrides: tuple[Override, ...] = ()
    exclude: tuple[Where, ...] = ()
    measure: bool = True
    cells_per_gpu: Annotated[Whole, Field(ge=1)] = 1
    ray: RayOptions = RayOptions()

    def plain(self) -> dict[str, Any]:
        """JSON-ready values with the names that users write."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def read_spec(conf: Path, environments: Iterable[str]) -> SweepSpec:
    """The sweep of an environment.

    Args:
        conf: the project's conf/.
        environments: where to look, first one first; the first sweep.yml found is the whole
            sweep, nothing of another one is mixed in.

    Raises:
        UserError: there is none, or one line that names what is wrong in it.
    """
    return parse_spec(*read_first(conf, environments, SWEEP_FILE, "docs/sweeps.md"))


def read_first(
    conf: Path, environments: Iterable[str], file: str, page: str
) -> tuple[dict[str, Any], str]:
    """The values of the first environment that has a file, and what to call it.

    Args:
        conf: the project's conf/.
        environments: where to look, first one first.
        file: the file's name.
        page: where its form is described, for the message.

    Raises:
        UserError: no environment has it, or it cannot be read.
    """
    folders = list(dict.fromkeys(environments))
    path = next((p for name in folders if (p := conf / name / file).is_file()), None)
    if path is None:
        places = " or ".join(f"conf/{name}/{file}" for name in folders)
        raise UserError(f"there is no {places}: write one ({page})")
    shown = f"conf/{path.parent.name}/{file}"
    return read_yaml(path, shown), shown


def read_yaml(path: Path, shown: str) -> dict[str, Any]:
    """A YAML file as Kedro reads its own: `1e-5` is a number, and no key may come twice.

    Args:
        path: the file.
        shown: what to call it.

    Raises:
        UserError: one line.
    """
    try:
        found = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (YAMLError, OSError) as error:
        raise UserError(f"{shown} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(found, dict):
        raise UserError(f"{shown}: should map names to values")
    return {str(name): value for name, value in found.items()}


def parse_spec(values: Mapping[str, Any], shown: str = SWEEP_FILE) -> SweepSpec:
    """Check a sweep's values.

    Args:
        values: as read from YAML.
        shown: what to call the file.

    Raises:
        UserError: one line that names the first wrong entry and what is allowed.
    """
    try:
        return SweepSpec.model_validate(dict(values))
    except ValidationError as error:
        raise UserError(f"{shown}: {spec_error(error, values, SweepSpec)}") from None


def spec_error(error: ValidationError, values: Mapping[str, Any], model: type[BaseModel]) -> str:
    """The first problem of a file as one sentence.

    Args:
        error: what pydantic found.
        values: what stands in the file.
        model: the model of the whole file, for names that were meant.
    """

    def unknown(path: list[str]) -> str:
        known = _fields(model, path[:-1])
        hint = did_you_mean(path[-1], known, "; {}") or f"; known: {', '.join(known)}"
        return f"unknown entry '{'.'.join(path)}'{hint}"

    return first_problem(error, values, unknown)


def _fields(model: type[BaseModel], path: Sequence[str]) -> list[str]:
    """The entries that are known at a place."""
    for part in path:
        field = model.model_fields.get(part)
        found = _model_in(field.annotation) if field else None
        model = found or model
    return [info.alias or name for name, info in model.model_fields.items()]


def _model_in(kind: Any) -> type[BaseModel] | None:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    inner = (_model_in(part) for part in getattr(kind, "__args__", ()))
    return next((model for model in inner if model), None)
