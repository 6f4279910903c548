"""The search itself: ask all studies, run what they ask for, tell them, until nobody asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.parameters import study_title
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event, Job, Listener, Outcome, run_jobs
from alpkd_pipeline.orchestration.sweep.plan import cell_job
from alpkd_pipeline.orchestration.tuning.plan import CellMaker, Target, score_of, seconds_of, shared
from alpkd_pipeline.orchestration.tuning.study import Asked, Study
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.run_folder import DamagedError
from alpkd_pipeline.store.unfinished import taken


def student_jobs(cells: Iterable[tuple[str, Cell]]) -> dict[str, Job]:
    """One job for each student that is missing, by its key.

    Cells of the same key share the job of the first one.
    """
    found: dict[str, Job] = {}
    for name, cell in cells:
        if cell.student.key not in found and cell.student.found is None:
            needs = [job.name for job in shared_jobs(cell)]
            found[cell.student.key] = cell_job(cell, name, "distill", [cell.student], needs)
    return found


def shared_jobs(cell: Cell) -> Iterator[Job]:
    """The jobs that make what a student shares with others, as far as it is missing.

    Two cells with the same teacher give jobs of the same name.
    """
    seed, teacher = cell.params.teacher.seed, cell.teacher
    needs: tuple[str, ...] = ()
    wanted = [(teacher, "finetune_teacher", "teacher")]
    if cell.needs_signals:
        wanted.append((cell.signals, "distill", "signals of teacher"))
    for stage, pipeline, what in wanted:
        if stage.found is not None:
            continue
        name = f"{cell.task.name} {what} s{seed} {stage.key[:8]}"
        job = cell_job(cell, name, pipeline, [stage], needs)
        yield replace(job, params=shared(cell).plain())
        needs = (name,)


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
    named = [(f"{t.name} s{c.params.seed}", t, c) for t in trials for c in t.cells]
    students = student_jobs((name, cell) for name, _, cell in named)
    before: dict[str, Job] = {}
    waiting: dict[str, list[Running]] = {}
    for _, trial, cell in named:
        job = students.get(cell.student.key)
        if job is not None:
            before |= {shared.name: shared for shared in shared_jobs(cell)}
            waiting.setdefault(job.name, []).append(trial)
            trial.left.add(job.name)
    return [*before.values(), *students.values()], waiting


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
