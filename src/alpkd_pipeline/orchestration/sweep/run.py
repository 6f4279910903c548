"""A sweep from its configuration to its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.config_loader import EXACT, CellConfigLoader
from alpkd_pipeline.orchestration.parameters import merged
from alpkd_pipeline.orchestration.sweep.engines import make_engine
from alpkd_pipeline.orchestration.sweep.estimate import JobProgress, duration, estimate
from alpkd_pipeline.orchestration.sweep.grid import expand
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event, Job, Outcome
from alpkd_pipeline.orchestration.sweep.plan import CellState, Kind, Plan, make_plan
from alpkd_pipeline.orchestration.sweep.record import (
    SweepRecord,
    dev_score,
    failure_lines,
    sweep_id,
    sweep_table,
)
from alpkd_pipeline.orchestration.sweep.schedule import run_jobs
from alpkd_pipeline.orchestration.sweep.spec import read_spec
from alpkd_pipeline.orchestration.sweep.tracked import TrackedGroup
from alpkd_pipeline.orchestration.tuning.trials import study_title

if TYPE_CHECKING:
    from rich.console import Console

    from alpkd_pipeline.tracking.group import Status


COMPARISON = "comparison"
PAGES = ("report.html", "comparison.md")
"""What to open of a comparison, the best one first."""


def comparison_job(params: Mapping[str, Any]) -> Job:
    """The job that compares what is in the store.

    Args:
        params: complete parameters of any cell of the store.
    """
    return Job(COMPARISON, "compare", (COMPARISON,), params, "kedro run --pipeline=compare")


def present_comparison(project: Path, env: str | None, params: Mapping[str, Any]) -> Path | None:
    """The page of the comparison of what is there now; None if it has not been made."""
    from kedro.framework.session import KedroSession

    given = {EXACT: dict(params)}
    with KedroSession.create(project, env=env, runtime_params=given, save_on_close=False) as opened:
        session: Any = opened
        dataset = session.load_context().catalog[COMPARISON]
        if not dataset.exists():
            return None
        folder = Path(dataset.path)
    return next((folder / page for page in PAGES if (folder / page).is_file()), folder)


INTERRUPTED = 130
"""The exit code of what Ctrl-C has stopped."""


class Sweep:
    """A planned sweep.

    Args:
        project: the project's root.
        loader: the configuration, with the parameters of the command line.
        env: the configuration environment as given.
        only: the part of the grid to look at.
        command: the command line, for the record.

    Raises:
        UserError: one line about the first thing that cannot be.
    """

    def __init__(
        self,
        project: Path,
        loader: CellConfigLoader,
        env: str | None,
        only: Mapping[str, Any],
        command: str,
    ) -> None:
        environments = (loader.env or loader.default_run_env, loader.base_env)
        self.project, self.env, self._command = project, env, command
        self.spec = read_spec(Path(loader.conf_source), environments)
        self._loader, self._only, self._began = loader, only, datetime.now(UTC)
        self._outcomes: list[Outcome] = []
        self._plan_as(sweep_id(env, self._began))

    def _plan_as(self, name: str) -> None:
        self.name, loader = name, self._loader
        on_top = merged({"run": {"group": name}}, loader.runtime_params or {})
        grid = expand(self.spec, loader.conf, self.env, on_top, self._only)
        self.plan: Plan = make_plan(grid, self.project, measure=self.spec.measure)
        first = self.plan.cells[0]
        self._params = first.grid.params
        self._group = TrackedGroup(self._params.run, name, self.project)
        self._record = SweepRecord(
            first.cell.store, name, self.env, self.spec, self._command, self.plan
        )

    def tell_plan(self, engine: str, workers: int | None) -> None:
        """Say of every cell what is to be done, and how long it may take."""
        console = _console()
        self._say_presets(console)
        for planned in self.plan.cells:
            why = f" ({', '.join(planned.why)})" if planned.why else ""
            _say(console, f"{planned.state}: {planned.grid.name}{why}")
        self._say_counts(console, self._engine(console, engine, workers).slots)

    def run(self, engine: str, workers: int | None, *, report: bool) -> int:
        """Make what is missing, compare, and say what became of it.

        Args:
            engine: `local` or `ray`.
            workers: how many jobs run at once; None takes what the machine has.
            report: whether to compare at the end.

        Returns:
            The exit code: 0, 1 if anything failed, 130 if somebody stopped it.
        """
        console = _console()
        chosen = self._engine(console, engine, workers)
        self._say_presets(console)
        self._say_counts(console, chosen.slots)
        self._claim_name()
        try:
            return self._run_claimed(console, chosen, report=report)
        finally:
            self._record.release()

    def _run_claimed(self, console: Console, engine: Engine, *, report: bool) -> int:
        status: Status = "FAILED"
        page = None
        try:
            stopped, page = self._work(console, engine, report=report)
            if stopped:
                status = "KILLED"
            elif all(outcome.state == "done" for outcome in self._outcomes):
                status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
        finally:
            try:
                self._record.end(self._outcomes)
            finally:  # the disk may be full
                self._close_group(status, page)
        self._say_end(console, self._outcomes, page)
        return {"FINISHED": 0, "FAILED": 1, "KILLED": INTERRUPTED}[status]

    def _claim_name(self) -> None:
        number = 1
        while not self._record.claim():
            number += 1
            self._plan_as(sweep_id(self.env, self._began, number))

    def _work(self, console: Console, engine: Engine, *, report: bool) -> tuple[bool, Path | None]:
        """Whether it was stopped, and the page of the comparison."""
        try:
            stopped, page = self._run_steps(console, engine), None
            if report and not stopped:
                self._record.end(self._outcomes)
                stopped, page = self._compare(console, engine)
            return stopped, page
        finally:
            engine.stop()

    def _engine(self, console: Console, name: str, workers: int | None) -> Engine:
        return make_engine(
            name,
            self.project,
            self.env,
            [planned.grid.params for planned in self.plan.cells],
            workers,
            cells_per_gpu=self.spec.cells_per_gpu,
            ray=self.spec.ray,
            most=max(1, len(self.plan.steps)),
            say=lambda line: _say(console, line),
        )

    def _run_steps(self, console: Console, engine: Engine) -> bool:
        self._record.begin()
        if not self.plan.steps:
            return False
        if self.plan.of_kind("teacher") or self.plan.of_kind("cell"):
            told = f"{len(self.plan.cells)} cells by `{self._command}`"
            self._group.open("sweep", told, self.spec.plain())
        return self._run(self.plan.jobs(), engine, console)

    def _compare(self, console: Console, engine: Engine) -> tuple[bool, Path | None]:
        if all(dev_score(planned) is None for planned in self.plan.cells):
            return False, None
        params, stopped = self._params.plain(), False
        page = present_comparison(self.project, self.env, params)
        if page is None:
            stopped = self._run([comparison_job(params)], engine, console)
            page = present_comparison(self.project, self.env, params)
        return stopped, page

    def _run(self, jobs: Sequence[Job], engine: Engine, console: Console) -> bool:
        """Run jobs and remember their outcomes; whether somebody stopped them."""
        before = list(self._outcomes)
        with JobProgress(len(jobs), console) as progress:

            def listen(event: Event) -> None:
                # Remembered at once: another Ctrl-C must not take what is known already.
                if event.outcome is not None:
                    self._outcomes.append(event.outcome)
                progress(event)

            outcomes, stopped = run_jobs(jobs, engine, listen)
        self._outcomes = before + outcomes
        return stopped

    def _close_group(self, status: Status, page: Path | None) -> None:
        done = sum(dev_score(planned) is not None for planned in self.plan.cells)
        failed = {outcome.job.name for outcome in self._outcomes if outcome.state == "failed"}
        metrics = {
            "cells": len(self.plan.cells),
            "cells.done": done,
            "cells.failed": sum(step.job.name in failed for step in self.plan.of_kind("cell")),
        }
        files = [self._record.path, *([page] if page else [])]
        self._group.close(status, metrics, files)

    def _say_presets(self, console: Console) -> None:
        """What conf/ changes unasked, once for each task, method and depth."""
        grid = [planned.grid for planned in self.plan.cells]
        told = [f"{study_title(cell.coordinates)}: {cell.preset}" for cell in grid if cell.preset]
        for line in dict.fromkeys(told):
            _say(console, line)

    def _say_counts(self, console: Console, workers: int) -> None:
        counts = [f"{len(self.plan.in_state(s))} {word}" for s, word in _STATES]
        _say(console, f"{len(self.plan.cells)} cells: {', '.join(counts)}")
        if not self.plan.steps:
            return
        others = [
            plural(len(steps), *words)
            for kind, words in _OTHERS
            if (steps := self.plan.of_kind(kind))
        ]
        if others:
            _say(console, f"beside them: {', '.join(others)}")
        guess = estimate(self.plan.steps)
        if guess.seconds:
            took = duration(guess.seconds / workers)
            _say(console, f"about {took} of training with {plural(workers, 'worker')}")
        if guess.unknown:
            _say(console, f"no estimate for {plural(guess.unknown, 'training')}: none like it yet")

    def _say_end(self, console: Console, outcomes: Sequence[Outcome], page: Path | None) -> None:
        console.print(sweep_table(self.plan.cells))
        for line in failure_lines(outcomes):
            _say(console, line)
        _say(console, f"record: {_short(self._record.path)}")
        if page is not None:
            _say(console, f"report: {_short(page)}")
        students = [p.cell.student.folder for p in self.plan.cells if dev_score(p) is not None]
        for line in self._group.lines(students):
            _say(console, line)


_STATES: tuple[tuple[CellState, str], ...] = (
    ("done", "done"),
    ("stale", "stale"),
    ("todo", "to do"),
)
_OTHERS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("teacher", ("teacher",)),
    ("signals", ("set of signals", "sets of signals")),
    ("measurement", ("measurement",)),
)


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


def _short(path: Path) -> Path:
    """A path as short as it can be typed from here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
