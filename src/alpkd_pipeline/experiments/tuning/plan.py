"""From tune.yml to studies and the experiments of their trials, checked before anything is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from alpkd_pipeline.coordinates import chosen
from alpkd_pipeline.distillation.method_table import get_spec
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.tuning.spec import (
    Point,
    Range,
    Space,
    TuneSpec,
    points_of,
    space_of,
)
from alpkd_pipeline.project.check import Conf, check_experiment
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.experiment_inputs import SharedFacts
from alpkd_pipeline.project.parameters import merged, nested, repeat_command, study_title
from alpkd_pipeline.project.params import Params
from alpkd_pipeline.store.fingerprint import key_of
from alpkd_pipeline.store.run_folder import RunFolder

Target = Mapping[str, Any]
"""What a study is for: task, method and layers."""


@dataclass(frozen=True, slots=True)
class ExperimentMaker:
    """Makes the experiments of all trials of a search."""

    spec: TuneSpec
    conf: Conf
    on_top: Mapping[str, Any]
    env: str | None
    project: Path
    group: str
    facts: SharedFacts = field(default_factory=SharedFacts)

    def experiments(self, target: Target, point: Point, *, check: bool = False) -> list[Experiment]:
        """The experiments of a trial, one per seed; `check` refuses those that cannot work.

        They differ from the experiments of a run with the winning preset in nothing but the point
        and in what chooses the best epoch. Where a holdout judges, the teacher leaves out the same
        rows as its student, which starts from the teacher's weights.
        """
        spec, conf, experiments = self.spec, self.conf.without_tuned(target), list[Experiment]()
        chosen = {**point, "training.selection": spec.selection}
        chosen |= {"run.kind": "trial", "run.group": self.group}
        try:
            for seed in spec.seeds:
                place = {**target, "seed": seed, "teacher_seed": seed}
                changes = merged(spec.given(place, self.on_top), nested(chosen))
                params = conf.params(changes)
                if spec.selection == "holdout" and not params.teacher.brought:
                    fraction = params.training.holdout_fraction
                    same = {"selection": "holdout", "holdout_fraction": fraction}
                    changes = merged(changes, {"teacher": {"training": same}})
                    params = conf.params(changes)
                command = repeat_command(self.env, changes)
                experiments.append(Experiment(params, self.project, command, self.facts))
                if check:
                    check_experiment(experiments[-1])
        except UserError as error:
            raise UserError(f"{study_title(target)}: {error}") from None
        return experiments


def shared(experiment: Experiment) -> Params:
    """The parameters with which a trial's teacher and signals are made.

    A teacher that leaves out a holdout is part of the trials; any other one is the one of the
    experiments that follow a search.
    """
    if experiment.params.teacher.training.selection == "holdout":
        return experiment.params
    run = experiment.params.run.model_copy(update={"kind": "cell"})
    return experiment.params.model_copy(update={"run": run})


def score_of(experiment: Experiment, selection: str) -> float:
    """The primary metric of a finished experiment on the rows that chose its best epoch."""
    student = RunFolder(experiment.student.path)
    try:
        return float(student.metrics["scores"][selection][experiment.task.metrics[0]])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{student.path / 'metrics.json'} has no {selection} score of"
            f" {experiment.task.metrics[0]}; delete its folder and run the same command again"
        ) from None


def seconds_of(experiments: Sequence[Experiment]) -> float:
    """How long the students of a trial were trained, as their metrics.json say."""
    metrics = [RunFolder(experiment.student.path).metrics for experiment in experiments]
    return round(sum(float(found.get("seconds") or 0.0) for found in metrics), 3)


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """One study, its points where they are known beforehand, and the experiments of one of them."""

    target: Target
    name: str
    """In Optuna's database; it changes with everything that a score depends on, so that trials of
    other code, data or numbers are never taken for its own."""
    space: Space
    budget: int
    points: Sequence[Point] | None
    sample: Sequence[Experiment]


def search_id(spec: TuneSpec, env: str | None, on_top: Mapping[str, Any]) -> str:
    """The name of a search: the same for the same question, whatever its budget."""
    budget = ("trials", "experiments_per_gpu", "ray")  # how much is searched and where, not what
    asked = {name: value for name, value in spec.plain().items() if name not in budget}
    given = {name: value for name, value in on_top.items() if name != "run"}
    return f"tune-{env or 'base'}-{key_of({'spec': asked, 'params': given})[:8]}"


def plan_studies(maker: ExperimentMaker, only: Mapping[str, Any]) -> list[PlannedStudy]:
    """The studies of a search."""
    spec = maker.spec
    targets = [
        {"task": task, "method": method, "layers": layers}
        for task, layers, method in product(spec.tasks, spec.layers, spec.methods)
    ]
    targets = chosen(only, targets, f"--only: no study of {spec.file}")
    return [_planned(maker, target) for target in targets]


def _planned(maker: ExperimentMaker, target: Target) -> PlannedStudy:
    spec = maker.spec
    regression = maker.experiments(target, {})[0].task.kind == "regression"
    space = space_of(spec.dimensions, get_spec(target["method"]), regression=regression)
    corners = list(_corners(space))
    sample = maker.experiments(target, corners[0])
    points = points_of(space, spec.sampler, spec.trials)
    # Refused now: a search of many hours must not end with an experiment that is impossible.
    for point in corners if points is None else points:
        maker.experiments(target, point, check=True)
    facts = {
        # The values that the space chooses are those of its first point, whatever conf/ says.
        "cells": [experiment.student.key for experiment in sample],
        "space": {n: asdict(v) if isinstance(v, Range) else v for n, v in space.items()},
        "sampler": spec.sampler,
    }
    name = f"{study_title(target).replace(' ', '-')}-{key_of(facts)[:12]}"
    budget = spec.trials if points is None else len(points)
    return PlannedStudy(target, name, space, budget, points, sample)


def _corners(space: Space) -> Iterator[Point]:
    """Points that together have every value of a list and both ends of every range."""
    first = {n: v.low if isinstance(v, Range) else v[0] for n, v in space.items()}
    yield first
    for name, values in space.items():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            yield {**first, name: value}
