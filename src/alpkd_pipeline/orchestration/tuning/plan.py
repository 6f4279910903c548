"""From tune.yml to studies, all of it checked before anything is run or written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

from alpkd_pipeline.distillation.method_table import get_row
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.cell_checks import check_cell
from alpkd_pipeline.orchestration.parameters import matches
from alpkd_pipeline.orchestration.tuning.spec import (
    TUNE_FILE,
    Point,
    Range,
    Space,
    TuneSpec,
    grid,
    size,
    space_of,
)
from alpkd_pipeline.orchestration.tuning.trials import CellMaker, Target, study_title
from alpkd_pipeline.store.fingerprint import key_of

_NO_QUESTION = ("trials", "cells_per_gpu", "ray")
"""Entries of tune.yml that say how much is searched and where, not what."""


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study.

    Attributes:
        target: its task, method and depth.
        name: its name in Optuna's database; it changes with everything that a score depends on,
            so that trials of other code, data or numbers are never taken for its own.
        space: what its method has to choose.
        budget: how many points it tries.
        points: these points, where they are known beforehand.
        sample: the cells of one point, to estimate times.
    """

    target: Target
    name: str
    space: Space
    budget: int
    points: tuple[Point, ...] | None
    sample: tuple[Cell, ...]

    @property
    def possible(self) -> int | None:
        """How many points there are; None if one of the settings is a range."""
        return size(self.space)


def search_id(spec: TuneSpec, env: str | None, on_top: Mapping[str, Any]) -> str:
    """The name of a search: the same for the same question, whatever its budget.

    Args:
        spec: the search.
        env: the configuration environment.
        on_top: nested parameters of the command line.
    """
    asked = {name: value for name, value in spec.plain().items() if name not in _NO_QUESTION}
    given = {name: value for name, value in on_top.items() if name != "run"}
    return f"tune-{env or 'base'}-{key_of({'spec': asked, 'params': given})[:8]}"


def plan_studies(maker: CellMaker, only: Mapping[str, Any]) -> list[PlannedStudy]:
    """The studies of a search.

    Args:
        maker: makes the cells of the search.
        only: chooses some of the studies: a list of values for some coordinates.

    Raises:
        UserError: one line: nothing is left, or a study that cannot work.
    """
    spec = maker.spec
    targets = [
        {"task": task, "method": method, "layers": layers}
        for task, layers, method in product(spec.tasks, spec.layers, spec.methods)
    ]
    chosen = [target for target in targets if matches(only, target)]
    if not chosen:
        said = ", ".join(f"{name}={'|'.join(map(str, wanted))}" for name, wanted in only.items())
        raise UserError(f"--only: no study of {TUNE_FILE} is {said}")
    return [_planned(maker, target) for target in chosen]


def _planned(maker: CellMaker, target: Target) -> PlannedStudy:
    spec = maker.spec
    regression = maker.cells(target, {})[0].task.kind == "regression"
    space = space_of(spec.dimensions, get_row(target["method"]), regression=regression)
    first = _first(space)
    sample = maker.cells(target, first)
    possible = size(space)
    budget = spec.trials if possible is None else min(spec.trials, possible)
    known = possible is not None and (spec.sampler != "tpe" or possible <= budget)
    points = tuple(grid(space, budget)) if known else None
    _check(maker, target, _corners(space) if points is None else points)
    return PlannedStudy(
        target=target,
        name=_name(spec, target, space, sample),
        space=space,
        budget=budget,
        points=points,
        sample=tuple(sample),
    )


def _first(space: Space) -> Point:
    return {n: v.low if isinstance(v, Range) else v[0] for n, v in space.items()}


def _corners(space: Space) -> Iterator[Point]:
    """Points that together have every value of a list and both ends of every range."""
    first = _first(space)
    yield first
    for name, values in space.items():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            yield {**first, name: value}


def _check(maker: CellMaker, target: Target, points: Iterable[Point]) -> None:
    """Refuse impossible cells now; a search of many hours must not end with them."""
    for point in points:
        for cell in maker.cells(target, point):
            try:
                check_cell(cell)
            except UserError as error:
                raise UserError(f"{study_title(target)}: {error}") from None


def _name(spec: TuneSpec, target: Target, space: Space, sample: Sequence[Cell]) -> str:
    facts = {
        # The values that the space chooses are those of its first point, whatever conf/ says.
        "cells": [cell.student.key for cell in sample],
        "space": json.loads(json.dumps(space, default=asdict)),
        "sampler": spec.sampler,
    }
    return f"{study_title(target).replace(' ', '-')}-{key_of(facts)[:12]}"
