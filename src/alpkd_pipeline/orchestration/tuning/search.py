"""The search itself: ask all studies, run what they ask for, tell them, until nobody asks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event, Job, Outcome
from alpkd_pipeline.orchestration.sweep.schedule import run_jobs
from alpkd_pipeline.orchestration.tuning.study import Asked, Study
from alpkd_pipeline.orchestration.tuning.trials import (
    CellMaker,
    Target,
    is_done,
    score_of,
    seconds_of,
    shared,
    study_title,
)
from alpkd_pipeline.store.finished import DamagedError
from alpkd_pipeline.store.manifest import LOCKS, lock_file


def student_jobs(cells: Iterable[tuple[str, Cell]]) -> dict[str, Job]:
    """One job for each student that is missing.

    Args:
        cells: each with the name of its job.

    Returns:
        The jobs by the student's key. Cells of the same key share the job of the first one.
    """
    found: dict[str, Job] = {}
    for name, cell in cells:
        if cell.student.key not in found and not is_done(cell):
            found[cell.student.key] = Job(
                name=name,
                pipeline="distill",
                to_outputs=("student",),
                params=cell.params.plain(),
                command=cell.command,
                expect={"student": cell.student.key},
                needs=tuple(job.name for job in shared_jobs(cell)),
            )
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
        job = Job(
            name=f"{cell.task.name} {what} s{seed} {stage.key[:8]}",
            pipeline=pipeline,
            to_outputs=(stage.name,),
            params=shared(cell).plain(),
            command=cell.command,
            expect={stage.name: stage.key},
            needs=needs,
        )
        yield job
        needs = (job.name,)


@dataclass(frozen=True, slots=True)
class Search:
    """A study, what it is for, and the maker of its cells."""

    target: Target
    study: Study
    maker: CellMaker


@dataclass(slots=True)
class Running:
    """A trial that was asked for and not told yet.

    Attributes:
        search: the search that asked for it.
        asked: its number and point.
        cells: one per seed.
        left: names of its jobs that have not ended.
        error: the first failure of a job.
        used_up: whether nothing but its point is to blame for every failure.
    """

    search: Search
    asked: Asked
    cells: list[Cell]
    left: set[str] = field(default_factory=set)
    error: str | None = None
    used_up: bool = True

    @property
    def name(self) -> str:
        """What people call it: `mrpc alp_kd 3L trial 7`."""
        return f"{study_title(self.search.target)} trial {self.asked.number}"

    def tell(self) -> float | None:
        """Tell the study what the trial was worth.

        Returns:
            The mean score over the seeds, or None if there is none.
        """
        keys = [cell.student.key for cell in self.cells]
        selection = self.search.maker.spec.selection
        try:
            if self.error is not None:
                raise UserError(self.error)
            scores = [score_of(cell, selection) for cell in self.cells]
        except DamagedError:
            raise  # the trial is as good as it was; only its file is not
        except UserError as error:
            self.used_up = self.used_up and self.error is not None
            self._tell_failed(str(error), keys)
            return None
        score = sum(scores) / len(scores)
        if not math.isfinite(score):
            self._tell_failed(f"its score is {score}", keys)
            return None
        facts = {"keys": keys, "scores": scores, "seconds": seconds_of(self.cells)}
        self.search.study.tell(self.asked.number, score, facts)
        return score

    def _tell_failed(self, error: str, keys: list[str]) -> None:
        self.error = error
        facts = {"keys": keys, "error": error}
        self.search.study.tell_failed(self.asked.number, facts, used_up=self.used_up)


Told = Callable[[Running, "float | None"], None]
"""Hears of each trial that ended, with its score or None."""

Heard = Callable[[Event], None]
"""Hears of each job that begins or ends."""


def run_search(searches: Sequence[Search], engine: Engine, told: Told, heard: Heard) -> bool:
    """Run trials until all budgets are used up.

    Args:
        searches: the studies, asked in this order.
        engine: the workers.
        told: hears of each trial that ended.
        heard: hears of each job.

    Returns:
        False if somebody stopped it. Else every trial was told, some of them perhaps as failed.
    """
    while asked := [(search, trial) for search in searches for trial in search.study.ask()]:
        trials = [Running(s, t, s.maker.cells(s.target, t.point)) for s, t in asked]
        if not _run_round(trials, engine, told, heard):
            return False
    return True


def _run_round(trials: Sequence[Running], engine: Engine, told: Told, heard: Heard) -> bool:
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

    Args:
        folder: the folder of all searches.
        names: the id of the search and the names of its studies.

    Raises:
        UserError: another process is at one of them.
    """
    (folder / LOCKS).mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for name in names:
            try:
                stack.enter_context(FileLock(lock_file(folder / name), timeout=0))
            except Timeout:
                raise UserError(
                    f"another kedro tune is at this search ({name}): wait until it is done"
                ) from None
        yield
