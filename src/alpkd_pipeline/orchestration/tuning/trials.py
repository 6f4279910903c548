"""The cells of a trial, the jobs that make them, and what the trial was worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.check import Conf
from alpkd_pipeline.orchestration.parameters import matches, merged, nested, repeat_command
from alpkd_pipeline.orchestration.stage import SharedFacts
from alpkd_pipeline.orchestration.sweep.grid import coordinate_params
from alpkd_pipeline.orchestration.tuning.spec import Point, TuneSpec
from alpkd_pipeline.params import Params
from alpkd_pipeline.store.finished import FinishedFolder

Target = Mapping[str, Any]
"""What a study is for: task, method and layers."""


@dataclass(frozen=True, slots=True)
class CellMaker:
    """Makes the cells of all trials of a search.

    Attributes:
        spec: the search.
        conf: what conf/ says.
        on_top: nested parameters of the command line.
        env: the configuration environment.
        project: the project's root.
        group: the id of the search.
        facts: what the cells have in common.
    """

    spec: TuneSpec
    conf: Conf
    on_top: Mapping[str, Any]
    env: str | None
    project: Path
    group: str
    facts: SharedFacts = field(default_factory=SharedFacts)

    def cells(self, target: Target, point: Point) -> list[Cell]:
        """The cells of a trial, one per seed.

        They differ from the cells of a run with the winning preset in nothing but the point and
        in what chooses the best epoch. Where a holdout judges, the teacher leaves out the same
        rows as its student, which starts from the teacher's weights.

        Args:
            target: the study's task, method and depth.
            point: the values of the trial.

        Raises:
            UserError: one line that names the study and what cannot be.
        """
        return [self._cell(target, point, seed) for seed in self.spec.seeds]

    def _cell(self, target: Target, point: Point, seed: int) -> Cell:
        place = {**target, "seed": seed, "teacher_seed": seed}
        changes = merged(coordinate_params(place), self.spec.params)
        for rule in self.spec.overrides:
            if matches(rule.where.named, place):
                changes = merged(changes, rule.settings)
        changes = merged(changes, self.on_top)
        changes = merged(changes, nested({**point, "training.selection": self.spec.selection}))
        run = {"run": {"kind": "trial", "group": self.group}}
        try:
            params = self.conf.without_tuned(target).params(merged(changes, run))
        except UserError as error:
            raise UserError(f"{study_title(target)}: {error}") from None
        if self.spec.selection == "holdout" and not params.teacher.finetuned:
            same = {"selection": "holdout", "holdout_fraction": params.training.holdout_fraction}
            params = _with_teacher_training(params, same)
            changes = merged(changes, {"teacher": {"training": same}})
        return Cell(params, self.project, repeat_command(self.env, changes), self.facts)


def _with_teacher_training(params: Params, values: Mapping[str, Any]) -> Params:
    training = params.teacher.training.model_copy(update=values)
    teacher = params.teacher.model_copy(update={"training": training})
    return params.model_copy(update={"teacher": teacher})


def study_title(target: Target) -> str:
    """What people call a study: `mrpc alp_kd 3L`."""
    return f"{target['task']} {target['method']} {target['layers']}L"


def shared(cell: Cell) -> Params:
    """The parameters with which a trial's teacher and signals are made.

    A teacher that leaves out a holdout is part of the trials; any other one is the one of the
    cells that follow a search.
    """
    if cell.params.teacher.training.selection == "holdout":
        return cell.params
    run = cell.params.run.model_copy(update={"kind": "cell"})
    return cell.params.model_copy(update={"run": run})


def is_done(cell: Cell) -> bool:
    """Whether a cell's student is there."""
    return cell.student.found is not None


def score_of(cell: Cell, selection: str) -> float:
    """What a finished cell is worth: the deciding metric on the rows that chose its best epoch.

    Args:
        cell: its student is there.
        selection: `holdout` or `dev`.

    Raises:
        UserError: the student's metrics.json does not say so, or is damaged.
    """
    student = FinishedFolder(cell.student.folder)
    try:
        return float(student.json("metrics.json")["scores"][selection][cell.task.metrics[0]])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{student.path / 'metrics.json'} has no {selection} score of {cell.task.metrics[0]};"
            " delete its folder and run the same command again"
        ) from None


def seconds_of(cells: Sequence[Cell]) -> float:
    """How long the students of a trial were trained, as their metrics.json say."""
    metrics = [FinishedFolder(cell.student.folder).json("metrics.json") for cell in cells]
    return round(sum(float(found.get("seconds") or 0.0) for found in metrics), 3)
