"""The search itself: ask all studies, run what they ask for, tell them, until nobody asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments.jobs import Engine, Event, Listener, Outcome, run_jobs
from alpkd_pipeline.experiments.plan import Missing
from alpkd_pipeline.experiments.tuning.plan import (
    ExperimentMaker,
    Target,
    score_of,
    seconds_of,
    shared,
)
from alpkd_pipeline.experiments.tuning.study import Asked, Study
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.parameters import study_title
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.run_folder import DamagedError
from alpkd_pipeline.store.unfinished import taken


def add_student(missing: Missing, experiment: Experiment, name: str) -> list[str]:
    """Plan a student with what it shares with others, as far as it is missing; its job, if any.

    Two experiments with the same teacher share its job; experiments of the same key share that of
    the first.
    """
    if experiment.student.found is not None:
        return []
    task, seed = experiment.task.name, experiment.params.teacher.seed
    teacher = f"{task} teacher s{seed} {experiment.teacher.key[:8]}"
    signals = f"{task} signals of teacher s{seed} {experiment.signals.key[:8]}"
    needs = missing.add_shared(experiment, experiment.teacher, teacher, signals, shared(experiment))
    return missing.add("cell", experiment, name, "distill", [experiment.student], needs)


@dataclass(frozen=True, slots=True)
class Search:
    """A study, what it is for, and the maker of its experiments."""

    target: Target
    study: Study
    maker: ExperimentMaker


@dataclass(slots=True, eq=False)
class Running:
    """A trial that was asked for and not told yet."""

    search: Search
    asked: Asked
    experiments: list[Experiment]
    left: set[str] = field(default_factory=set)
    error: str | None = None  # the first failure of a job
    used_up: bool = True  # whether nothing but its point is to blame for every failure

    @property
    def name(self) -> str:
        """What people call it: `mrpc alp_kd 3L trial 7`."""
        return f"{study_title(self.search.target)} trial {self.asked.number}"

    def hears(self, outcome: Outcome) -> bool:
        """Take note of how a job ended; whether it was the last one of this trial."""
        if outcome.job.name not in self.left:
            return False
        if outcome.error is not None:
            self.error = self.error or outcome.error
            self.used_up = self.used_up and outcome.diverged
        if outcome.state == "interrupted":  # most often by Ctrl-C: the trial is taken up again
            return False
        self.left.remove(outcome.job.name)
        return not self.left

    def tell(self) -> float | None:
        """Tell the study what the trial was worth."""
        study, number = self.search.study, self.asked.number
        facts: dict[str, Any] = {"keys": [one.student.key for one in self.experiments]}
        score = math.nan
        if self.error is None:
            try:
                scores = [score_of(c, self.search.maker.spec.selection) for c in self.experiments]
                score = sum(scores) / len(scores)
            except DamagedError:
                raise  # the trial is as good as it was; only its file is not
            except UserError as error:
                self.error, self.used_up = str(error), False
        if math.isfinite(score):
            facts |= {"scores": scores, "seconds": seconds_of(self.experiments)}
            study.tell(number, score, facts)
            return score
        self.error = self.error or f"its score is {score}"
        study.tell_failed(number, {**facts, "error": self.error}, used_up=self.used_up)
        return None


Told = Callable[[Running, "float | None"], None]
"""Hears of each trial that ended, with its score or None."""


def run_search(searches: Sequence[Search], engine: Engine, told: Told, heard: Listener) -> bool:
    """Run trials until all budgets are used up."""
    while asked := [(search, trial) for search in searches for trial in search.study.ask()]:
        trials = [Running(s, t, s.maker.experiments(s.target, t.point)) for s, t in asked]
        if not _run_round(trials, engine, told, heard):
            return False
    return True


def _run_round(trials: Sequence[Running], engine: Engine, told: Told, heard: Listener) -> bool:
    """Run some trials to their end; each is told as soon as its last job has ended."""
    missing, untold = Missing(), list(trials)
    for trial in trials:
        for experiment in trial.experiments:
            name = f"{trial.name} s{experiment.params.seed}"
            trial.left.update(add_student(missing, experiment, name))

    def settle(trial: Running) -> None:
        untold.remove(trial)
        told(trial, trial.tell())

    def listen(event: Event) -> None:
        heard(event)
        for trial in trials:
            if event.outcome and trial.hears(event.outcome):
                settle(trial)

    for trial in trials:
        if not trial.left:
            settle(trial)
    if run_jobs([step.job for step in missing.in_order()], engine, listen).stopped:
        return False
    while untold:
        # Its worker was ended by others, or its listener failed; without an answer the study
        # would ask for it for ever.
        settle(untold[0])
    return True


@contextmanager
def held(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a search and its studies while it runs. A process that is killed lets go of them. Two
    different searches may have a study in common: its name follows from what it tries."""
    with ExitStack() as stack:
        for name in names:
            if not stack.enter_context(taken(lock_file(folder / name))):
                raise UserError(
                    f"another kedro tune is at this search ({name}): wait until it is done"
                )
        yield
