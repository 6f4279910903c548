"""The search itself: ask all studies, run what they ask for, tell them, until nobody asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.parameters import study_title
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event, Job, Listener, Outcome, run_jobs
from alpkd_pipeline.orchestration.sweep.plan import Kind, Missing
from alpkd_pipeline.orchestration.tuning.plan import CellMaker, Target, score_of, seconds_of, shared
from alpkd_pipeline.orchestration.tuning.study import Asked, Study
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.run_folder import DamagedError
from alpkd_pipeline.store.unfinished import taken


def add_student(missing: Missing, cell: Cell, name: str) -> str | None:
    """Plan a student with what it shares with others, as far as it is missing; its job, if any.

    Two cells with the same teacher share its job; cells of the same key share that of the first.
    """
    if cell.student.found is not None:
        return None
    seed, params, needs = cell.params.teacher.seed, shared(cell), list[str]()
    wanted: list[tuple[Kind, Artifact, str, str]]
    wanted = [("teacher", cell.teacher, "finetune_teacher", "teacher")]
    if cell.needs_signals:
        wanted.append(("signals", cell.signals, "distill", "signals of teacher"))
    for kind, stage, pipeline, what in wanted:
        if stage.found is None:
            title = f"{cell.task.name} {what} s{seed} {stage.key[:8]}"
            needs = missing.add(kind, cell, title, pipeline, [stage], needs, params=params)
    return missing.add("cell", cell, name, "distill", [cell.student], needs)[0]


@dataclass(frozen=True, slots=True)
class Search:
    """A study, what it is for, and the maker of its cells."""

    target: Target
    study: Study
    maker: CellMaker


@dataclass(slots=True)
class Running:
    """A trial that was asked for and not told yet."""

    search: Search
    asked: Asked
    cells: list[Cell]
    left: set[str] = field(default_factory=set)
    error: str | None = None  # the first failure of a job
    used_up: bool = True  # whether nothing but its point is to blame for every failure

    @property
    def name(self) -> str:
        """What people call it: `mrpc alp_kd 3L trial 7`."""
        return f"{study_title(self.search.target)} trial {self.asked.number}"

    def tell(self) -> float | None:
        """Tell the study what the trial was worth."""
        study, number = self.search.study, self.asked.number
        facts: dict[str, Any] = {"keys": [cell.student.key for cell in self.cells]}
        score = math.nan
        if self.error is None:
            try:
                scores = [score_of(c, self.search.maker.spec.selection) for c in self.cells]
                score = sum(scores) / len(scores)
            except DamagedError:
                raise  # the trial is as good as it was; only its file is not
            except UserError as error:
                self.error, self.used_up = str(error), False
        if math.isfinite(score):
            facts |= {"scores": scores, "seconds": seconds_of(self.cells)}
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
        trials = [Running(s, t, s.maker.cells(s.target, t.point)) for s, t in asked]
        if not _run_round(trials, engine, told, heard):
            return False
    return True


def _run_round(trials: Sequence[Running], engine: Engine, told: Told, heard: Listener) -> bool:
    """Run some trials to their end; each is told as soon as its last job has ended."""
    jobs, waiting = _jobs(trials)
    untold = {id(trial): trial for trial in trials}

    def settle(trial: Running) -> None:
        del untold[id(trial)]
        told(trial, trial.tell())

    def listen(event: Event) -> None:
        heard(event)
        for trial in waiting.get(event.job.name, []) if event.outcome else []:
            if _was_last(trial, event.outcome) and id(trial) in untold:
                settle(trial)

    for trial in trials:
        if not trial.left:
            settle(trial)
    if run_jobs(jobs, engine, listen).stopped:
        return False
    for trial in list(untold.values()):
        # Its worker was ended by others, or its listener failed; without an answer the study
        # would ask for it for ever.
        settle(trial)
    return True


def _jobs(trials: Sequence[Running]) -> tuple[list[Job], dict[str, list[Running]]]:
    """The jobs of some trials, and which trials wait for which of them."""
    missing, waiting = Missing(), dict[str, list[Running]]()
    for trial in trials:
        for cell in trial.cells:
            job = add_student(missing, cell, f"{trial.name} s{cell.params.seed}")
            if job is not None:
                waiting.setdefault(job, []).append(trial)
                trial.left.add(job)
    return [step.job for step in missing.in_order()], waiting


def _was_last(trial: Running, outcome: Outcome | None) -> bool:
    """Take note of how a job of a trial ended; whether it was the last one."""
    if outcome is None:
        return False
    if outcome.error is not None:
        trial.error = trial.error or outcome.error
        trial.used_up = trial.used_up and outcome.diverged
    if outcome.state == "interrupted":  # most often by Ctrl-C: the trial is taken up again
        return False
    trial.left.discard(outcome.job.name)
    return not trial.left


@contextmanager
def held(folder: Path, names: Iterable[str]) -> Iterator[None]:
    """Hold a search and its studies while it runs. A process that is killed lets go of them.

    Two different searches may have a study in common: its name follows from what it tries.
    """
    with ExitStack() as stack:
        for name in names:
            if not stack.enter_context(taken(lock_file(folder / name))):
                raise UserError(
                    f"another kedro tune is at this search ({name}): wait until it is done"
                )
        yield
