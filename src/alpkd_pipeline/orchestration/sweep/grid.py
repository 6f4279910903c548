"""From a sweep to its cells: coordinates, and the complete parameters of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.orchestration.check import Conf
from alpkd_pipeline.orchestration.parameters import COORDINATES, matches, merged, repeat_command
from alpkd_pipeline.orchestration.sweep.spec import SET_BY_THE_GRID, SWEEP_FILE, SweepSpec
from alpkd_pipeline.orchestration.tuning.preset import PresetInUse
from alpkd_pipeline.params import Params

Coordinates = dict[str, Any]


@dataclass(frozen=True, slots=True)
class GridCell:
    """One cell of a grid.

    Attributes:
        coordinates: a value for each of `COORDINATES`.
        params: its complete parameters.
        command: what makes it outside the sweep.
        preset: what tuned presets set of it.
    """

    coordinates: Coordinates
    params: Params
    command: str
    preset: PresetInUse | None = None

    @property
    def name(self) -> str:
        """What people call it: `mrpc alp_kd 3L s1`, with the teacher's seed if it is another."""
        return cell_name(self.coordinates)


def cell_name(coordinates: Mapping[str, Any]) -> str:
    """What people call a cell."""
    task, method, layers, seed, teacher = (coordinates[name] for name in COORDINATES)
    return f"{task} {method} {layers}L s{seed}" + (f" t{teacher}" if teacher != seed else "")


def expand(
    spec: SweepSpec,
    conf: Conf,
    env: str | None = None,
    on_top: Mapping[str, Any] | None = None,
    only: Mapping[str, Any] | None = None,
) -> list[GridCell]:
    """The cells of a sweep, all cells of the first seed first.

    Args:
        spec: the sweep.
        conf: what conf/ says.
        env: the environment that it is read with.
        on_top: nested parameters that win over everything else, those of the command line.
        only: makes a part of the grid: a `where` as `matches` reads it.

    Raises:
        UserError: one line: a rule that is for no cell, nothing left, or a cell with impossible
            parameters.
    """
    everywhere = list(_points(spec))
    points = _without_excluded(spec, everywhere)
    _check_rules(spec, points)
    chosen = [point for point in points if matches(only or {}, point)]
    if not chosen:
        raise UserError(f"--only: no cell of {SWEEP_FILE} is {_said(only or {})}")
    _check_not_a_coordinate(on_top or {})
    return [_grid_cell(spec, conf, env, on_top or {}, point) for point in chosen]


def cell_params(conf: Conf, coordinates: Mapping[str, Any], changes: Mapping[str, Any]) -> Params:
    """The complete parameters of a cell, as `kedro run` with the same values would check them.

    Args:
        conf: what conf/ says.
        coordinates: a value for each of `COORDINATES`.
        changes: nested parameters that win over conf/ and its presets.

    Raises:
        UserError: one line.
    """
    return conf.params(merged(coordinate_params(coordinates), changes))


def coordinate_params(coordinates: Mapping[str, Any]) -> dict[str, Any]:
    """Coordinates as nested parameters."""
    return {
        "task": {"name": coordinates["task"]},
        "method": {"name": coordinates["method"]},
        "student": {"layers": coordinates["layers"]},
        "seed": coordinates["seed"],
        "teacher": {"seed": coordinates["teacher_seed"]},
    }


def _points(spec: SweepSpec) -> Iterator[Coordinates]:
    for seed, task, layers, method in product(spec.seeds, spec.tasks, spec.layers, spec.methods):
        for teacher in (seed,) if spec.teacher_seeds == "same" else spec.teacher_seeds:
            values = (task, method, layers, seed, teacher)
            yield dict(zip(COORDINATES, values, strict=True))


def _without_excluded(spec: SweepSpec, points: Sequence[Coordinates]) -> list[Coordinates]:
    rules = [rule.named for rule in spec.exclude]
    for number, rule in enumerate(rules, start=1):
        if not any(matches(rule, point) for point in points):
            raise UserError(
                f"{SWEEP_FILE}: exclude, entry {number} ({_said(rule)}): no cell of the grid is"
            )
    left = [point for point in points if not any(matches(rule, point) for rule in rules)]
    if not left:
        raise UserError(f"{SWEEP_FILE}: every cell of the grid is excluded")
    return left


def _check_rules(spec: SweepSpec, points: Sequence[Coordinates]) -> None:
    for number, rule in enumerate(spec.overrides, start=1):
        if not any(matches(rule.where.named, point) for point in points):
            raise UserError(
                f"{SWEEP_FILE}: overrides, entry {number} (where: {_said(rule.where.named)}):"
                " it is for no cell of the grid"
            )


def _said(where: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}={'|'.join(map(str, wanted if isinstance(wanted, list | tuple) else [wanted]))}"
        for name, wanted in where.items()
    )


def _check_not_a_coordinate(on_top: Mapping[str, Any]) -> None:
    for name, place in SET_BY_THE_GRID.items():
        inside: Any = on_top
        for part in name.split("."):
            inside = inside.get(part) if isinstance(inside, Mapping) else None
        if inside is not None:
            raise UserError(
                f"--params={name}=...: it tells the cells of a sweep apart; choose some of them"
                f" with --only, or change {place} in {SWEEP_FILE}"
            )


def _grid_cell(
    spec: SweepSpec,
    conf: Conf,
    env: str | None,
    on_top: Mapping[str, Any],
    point: Coordinates,
) -> GridCell:
    changes = spec.params
    for rule in spec.overrides:
        if matches(rule.where.named, point):
            changes = merged(changes, rule.settings)
    changes = merged(changes, on_top)
    try:
        params = cell_params(conf, point, changes)
        preset = conf.preset_of(merged(coordinate_params(point), changes))
    except UserError as error:
        raise UserError(f"cell {cell_name(point)}: {error}{_hint(changes)}") from None
    command = repeat_command(env, merged(coordinate_params(point), changes))
    return GridCell(point, params, command, preset)


def _hint(changes: Mapping[str, Any]) -> str:
    if not changes.get("method"):
        return ""
    return (
        f" (what only some methods have is set by an override in {SWEEP_FILE}:"
        " {where: {method: [...]}, set: {...}})"
    )


NUMBERS = ("layers", "seed", "teacher_seed")


def parse_only(text: str) -> dict[str, Any]:
    """Read `task=mrpc,method=alp_kd|kd,seed=0|1` as a `where`.

    Raises:
        UserError: names what cannot be read.
    """
    where: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, values = part.partition("=")
        if not equals or not values:
            raise UserError(f"--only {part}: write name=value, several values joined by |")
        if name not in COORDINATES:
            hint = did_you_mean(name, COORDINATES, "; {}") or f"; known: {', '.join(COORDINATES)}"
            raise UserError(f"--only {part}: unknown name '{name}'{hint}")
        if name in where:
            raise UserError(f"--only: '{name}' is given twice; join its values by |")
        where[name] = [_value(name, value, part) for value in values.split("|")]
    return where


def _value(name: str, text: str, part: str) -> Any:
    if name not in NUMBERS:
        return text
    if not text.isdigit():
        raise UserError(f"--only {part}: '{text}' is not a whole number")
    return int(text)
