"""A sweep as sweep.yml describes it, its experiments, and what tune.yml shares with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from omegaconf import OmegaConf
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from yaml import YAMLError

from alpkd_pipeline.coordinates import COORDINATES, PLACES, as_list, chosen, matches, said
from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError, did_you_mean, first_problem
from alpkd_pipeline.project.check import Conf
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.experiment_inputs import SharedFacts
from alpkd_pipeline.project.parameters import (
    coordinate_params,
    merged,
    nested,
    repeat_command,
    study_title,
)
from alpkd_pipeline.project.params import NAME, Real, Whole, fields_at
from alpkd_pipeline.project.presets import PresetInUse
from alpkd_pipeline.store.diff import flat

SWEEP_FILE = "sweep.yml"

SET_BY_THE_GRID = dict(
    zip(PLACES.values(), ("tasks", "methods", "layers", "seeds", "teacher_seeds"), strict=True)
)
"""Parameters that tell experiments apart, and the list of sweep.yml that gives their values."""


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise ValueError(f"{value!r} is given twice")
    return values


def _known_method(name: str) -> str:
    if name not in METHODS:
        hint = did_you_mean(name, METHODS)
        raise ValueError(f"unknown method '{name}'{hint}; known: {', '.join(METHODS)}")
    return name


def _nested_settings(values: dict[str, Any]) -> dict[str, Any]:
    tree = nested(values)
    given = flat(tree)
    for name, place in SET_BY_THE_GRID.items():
        if name in given:
            raise ValueError(f"'{name}' tells experiments apart: give its values in {place}")
    if "run" in tree:
        remedy = "give it with --params or in parameters"
        raise ValueError(f"'run' is the same for all experiments: {remedy}")
    return tree


Task = Annotated[str, Field(pattern=NAME)]
Method = Annotated[str, AfterValidator(_known_method)]
Layers = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0, lt=2**31)]
Settings = Annotated[dict[str, Any], AfterValidator(_nested_settings)]
Distinct = AfterValidator(_distinct)
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]
Listed = BeforeValidator(as_list)


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Where(_Block):
    """Which experiments a rule is for: a value or a list of values for some coordinates."""

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
    """Settings for some of the experiments."""

    where: Where
    settings: Settings = Field(alias="set", min_length=1)


class RayOptions(_Block):
    """Where Ray runs, for `--engine ray`."""

    address: str | None = None
    gpus_per_experiment: Annotated[Real, Field(ge=0)] = 0.0


class CampaignSpec(_Block):
    """What is made of each task, method and depth, and where it runs."""

    file: ClassVar[str]
    page: ClassVar[str]  # that describes the file

    tasks: Annotated[tuple[Task, ...], Field(min_length=1), Distinct]
    methods: Annotated[tuple[Method, ...], Field(min_length=1), Distinct]
    layers: Annotated[tuple[Layers, ...], Field(min_length=1), Distinct]
    seeds: Seeds
    params: Settings = {}
    overrides: tuple[Override, ...] = ()
    experiments_per_gpu: Annotated[Whole, Field(ge=1)] = 1
    ray: RayOptions = RayOptions()

    @classmethod
    def read(cls, folders: Sequence[Path]) -> Self:
        """The first file that is found, which is the whole of it.

        It is read as Kedro reads its own: `1e-5` is a number, and no key may come twice.
        """
        folder = next((folder for folder in folders if (folder / cls.file).is_file()), None)
        if folder is None:
            places = " or ".join(f"conf/{folder.name}/{cls.file}" for folder in folders)
            raise UserError(f"there is no {places}: write one ({cls.page})")
        shown = f"conf/{folder.name}/{cls.file}"
        try:
            found = OmegaConf.to_container(OmegaConf.load(folder / cls.file), resolve=True)
        except (YAMLError, OSError) as error:
            raise UserError(f"{shown} cannot be read: {' '.join(str(error).split())}") from None
        if not isinstance(found, dict):
            raise UserError(f"{shown}: should map names to values")
        return cls.parse({str(name): value for name, value in found.items()}, shown)

    @classmethod
    def parse(cls, values: Mapping[str, Any], shown: str | None = None) -> Self:
        """The values of a file that is called as shown, checked.

        Raises:
            UserError: one line about the first wrong entry and what is allowed.
        """

        def unknown(path: list[str]) -> str:
            known = fields_at(cls, path[:-1])
            hint = did_you_mean(path[-1], known, "; {}") or f"; known: {', '.join(known)}"
            return f"unknown entry '{'.'.join(path)}'{hint}"

        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            problem = first_problem(error, values, unknown)
        except UserError as error:
            problem = str(error)
        raise UserError(f"{shown or cls.file}: {problem}")

    def plain(self) -> dict[str, Any]:
        """JSON-ready values with the names that users write."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def given(self, coordinates: Mapping[str, Any], on_top: Mapping[str, Any]) -> dict[str, Any]:
        """An experiment's coordinates, what the file sets, and what wins over both, nested."""
        found = merged(coordinate_params(coordinates), self.params)
        for rule in self.overrides:
            if matches(rule.where.named, coordinates):
                found = merged(found, rule.settings)
        return merged(found, on_top)


class SweepSpec(CampaignSpec):
    """A grid of experiments: all combinations of the lists but for the excluded ones."""

    file = SWEEP_FILE
    page = "docs/sweeps.md"

    teacher_seeds: Literal["same"] | Seeds = "same"
    exclude: tuple[Where, ...] = ()
    measure: bool = True


PointState = Literal["done", "stale", "todo"]


@dataclass(frozen=True, slots=True)
class GridPoint:
    """An experiment of a grid, its tuned preset, how far it is, and why it is made again.

    `stale`: it was there once, with other code, data or numbers, or has lost bytes.
    """

    coordinates: dict[str, Any]
    experiment: Experiment
    preset: PresetInUse | None = None
    state: PointState = "todo"
    why: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What people call it: `mrpc alp_kd 3L s1`, with the teacher's seed if it is another."""
        return experiment_name(self.coordinates)


def experiment_name(coordinates: Mapping[str, Any]) -> str:
    """What people call an experiment."""
    seed, teacher = coordinates["seed"], coordinates["teacher_seed"]
    return f"{study_title(coordinates)} s{seed}" + (f" t{teacher}" if teacher != seed else "")


def expand(
    spec: SweepSpec,
    conf: Conf,
    project: Path,
    env: str | None = None,
    on_top: Mapping[str, Any] | None = None,
    only: Mapping[str, Any] | None = None,
) -> list[GridPoint]:
    """The experiments of a sweep or of the part that `only` chooses, the first seed's first.

    `on_top` are nested parameters that win over everything else, those of the command line.

    Raises:
        UserError: one line: a rule or a value of `only` that is for no experiment, nothing left, or
            an experiment with impossible parameters.
    """
    points, excluded = list(_points(spec)), [rule.named for rule in spec.exclude]

    def refuse_idle(rules: Iterable[Mapping[str, Any]], told: str) -> None:
        for number, rule in enumerate(rules, start=1):
            if not any(matches(rule, point) for point in points):
                raise UserError(f"{SWEEP_FILE}: {told.format(number, said(rule))}")

    refuse_idle(excluded, "exclude, entry {} ({}): no experiment of the grid is")
    points = [point for point in points if not any(matches(rule, point) for rule in excluded)]
    if not points:
        raise UserError(f"{SWEEP_FILE}: every experiment of the grid is excluded")
    wheres = (rule.where.named for rule in spec.overrides)
    refuse_idle(wheres, "overrides, entry {} (where: {}): it is for no experiment of the grid")
    points = chosen(only or {}, points, f"--only: no experiment of {SWEEP_FILE}")
    given = flat(on_top or {})
    for name, place in SET_BY_THE_GRID.items():
        if name in given:
            raise UserError(
                f"--params={name}=...: it tells the experiments of a sweep apart; choose some of"
                f" them with --only, or change {place} in {SWEEP_FILE}"
            )
    found, facts = [], SharedFacts()
    for point in points:
        changes = spec.given(point, on_top or {})
        try:
            params, preset = conf.params(changes), conf.preset_of(changes)
        except UserError as error:
            hint = (
                f" (what only some methods have is set by an override in {SWEEP_FILE}:"
                " {where: {method: [...]}, set: {...}})"
            )
            more = hint if {*changes["method"]} > {"name"} else ""
            raise UserError(f"experiment {experiment_name(point)}: {error}{more}") from None
        experiment = Experiment(params, project, repeat_command(env, changes), facts)
        found.append(GridPoint(point, experiment, preset))
    return found


def _points(spec: SweepSpec) -> Iterator[dict[str, Any]]:
    for seed, task, layers, method in product(spec.seeds, spec.tasks, spec.layers, spec.methods):
        for teacher in (seed,) if spec.teacher_seeds == "same" else spec.teacher_seeds:
            values = (task, method, layers, seed, teacher)
            yield dict(zip(COORDINATES, values, strict=True))
