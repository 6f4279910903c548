"""A sweep from its configuration to its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.config_loader import EXACT, CellConfigLoader, project_context
from alpkd_pipeline.orchestration.parameters import merged, study_title
from alpkd_pipeline.orchestration.sweep import record
from alpkd_pipeline.orchestration.sweep.campaign import EXIT_CODES, TrackedGroup, to_its_end
from alpkd_pipeline.orchestration.sweep.engines import make_engine
from alpkd_pipeline.orchestration.sweep.estimate import JobProgress, duration, estimate
from alpkd_pipeline.orchestration.sweep.grid import CellState, expand, read_spec
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event, Job, Outcome, run_jobs
from alpkd_pipeline.orchestration.sweep.plan import Kind, make_plan
from alpkd_pipeline.program import short
from alpkd_pipeline.store.layout import COMPARISON, PAGES

if TYPE_CHECKING:
    from rich.console import Console

    from alpkd_pipeline.tracking.group import Status


def comparison_job(params: Mapping[str, Any]) -> Job:
    """The job that compares what is in the store of a cell with these parameters."""
    return Job(COMPARISON, "compare", (COMPARISON,), params, "kedro run --pipeline=compare")


def present_comparison(project: Path, env: str | None, params: Mapping[str, Any]) -> Path | None:
    """The page of the comparison of what is there now; None if it has not been made."""
    dataset = project_context(project, env, {EXACT: dict(params)}).catalog[COMPARISON]
    if not dataset.exists():
        return None
    folder = Path(dataset.path)
    return next((folder / page for page in PAGES if (folder / page).is_file()), folder)


class Sweep:
    """A planned sweep of the part of the grid that `only` chooses."""

    def __init__(
        self,
        project: Path,
        loader: CellConfigLoader,
        env: str | None,
        only: Mapping[str, Any],
        command: str,
    ) -> None:
        self.project, self.env, self._command = project, env, command
        self.spec = read_spec(loader.folders)
        self._loader, self._only, self._began = loader, only, datetime.now(UTC)
        self._outcomes: list[Outcome] = []
        self._page: Path | None = None
        self._plan_as(record.sweep_id(env, self._began))

    def _plan_as(self, name: str) -> None:
        self.name, loader = name, self._loader
        on_top = merged({"run": {"group": name}}, loader.runtime_params or {})
        grid = expand(self.spec, loader.conf, self.project, self.env, on_top, self._only)
        self.plan = make_plan(grid, measure=self.spec.measure)
        first = self.plan.cells[0]
        self._params = first.cell.params
        self._group = TrackedGroup(self._params.run, name, self.project)
        self._record = record.SweepRecord(
            first.cell.store, name, self.env, self.spec, self._command, self.plan
        )

    def tell_plan(self, engine: str, workers: int | None) -> None:
        """Say of every cell what is to be done, and how long it may take."""
        self._say_presets()
        for planned in self.plan.cells:
            why = f" ({', '.join(planned.why)})" if planned.why else ""
            self._say(f"{planned.state}: {planned.name}{why}")
        self._say_counts(self._engine(engine, workers).slots)
        self._say_seeds()

    def _say_seeds(self) -> None:
        """How many seeds would show what, as far as earlier runs tell their noise."""
        from alpkd_pipeline.reporting.asked import Asked
        from alpkd_pipeline.reporting.collect import gather
        from alpkd_pipeline.reporting.planner import pairs_of, seeds_needed
        from alpkd_pipeline.reporting.sources import Sources

        columns: dict[tuple[str, int], set[str]] = {}
        for planned in self.plan.cells:
            place = planned.coordinates
            columns.setdefault((place["task"], place["layers"]), set()).add(place["method"])
        pairs = pairs_of([sorted(methods) for methods in columns.values()])
        cell = self.plan.cells[0].cell
        if pairs and cell.store.is_dir():
            asked = Asked.of(cell.params.compare.model_dump(mode="json"))
            tasks = sorted({task for task, _ in columns})
            asked = replace(asked, sweep=None, only={"task": tasks})
            for line in seeds_needed(Sources(gather(cell.store, asked)), tasks, pairs):
                self._say(line)

    def run(self, engine: str, workers: int | None, *, report: bool) -> int:
        """Make what is missing, compare, tell; gives 0, 1 if anything failed, 130 if stopped."""
        chosen = self._engine(engine, workers)
        self._say_presets()
        self._say_counts(chosen.slots)
        number = 1
        while not self._record.claim():
            number += 1
            self._plan_as(record.sweep_id(self.env, self._began, number))
        try:
            status = to_its_end(
                lambda: self._work(chosen, report=report),
                lambda _status: self._record.end(self._outcomes),
                self._close_group,
            )
            self._say_end()
        finally:
            self._record.release()
        return EXIT_CODES[status]

    def _work(self, engine: Engine, *, report: bool) -> Status:
        try:
            stopped = self._run_steps(engine)
            if report and not stopped:
                self._record.end(self._outcomes)
                stopped = self._compare(engine)
        finally:
            engine.stop()
        done = all(outcome.state == "done" for outcome in self._outcomes)
        return "KILLED" if stopped else "FINISHED" if done else "FAILED"

    def _engine(self, name: str, workers: int | None) -> Engine:
        cells, most = [p.cell.params for p in self.plan.cells], len(self.plan.steps)
        return make_engine(
            name, self.project, self.env, self.spec, cells, workers, most=most, say=self._say
        )

    def _run_steps(self, engine: Engine) -> bool:
        self._record.begin()
        if not self.plan.steps:
            return False
        if self.plan.of_kind("teacher") or self.plan.of_kind("cell"):
            told = f"{len(self.plan.cells)} cells by `{self._command}`"
            self._group.open("sweep", told, self.spec.plain())
        return self._run([step.job for step in self.plan.steps], engine)

    def _compare(self, engine: Engine) -> bool:
        """Make the comparison's page, if it is not there; whether somebody stopped it."""
        if not self._scored:
            return False
        params, stopped = merged(self._params.plain(), {"compare": {"sweep": self.name}}), False
        self._page = present_comparison(self.project, self.env, params)
        if self._page is None:
            stopped = self._run([comparison_job(params)], engine)
            self._page = present_comparison(self.project, self.env, params)
        return stopped

    def _run(self, jobs: Sequence[Job], engine: Engine) -> bool:
        """Run jobs and remember their outcomes; whether somebody stopped them."""
        before = list(self._outcomes)
        with JobProgress(len(jobs), self._console) as progress:

            def listen(event: Event) -> None:
                # Remembered at once: another Ctrl-C must not take what is known already.
                if event.outcome is not None:
                    self._outcomes.append(event.outcome)
                progress(event)

            outcomes, stopped = run_jobs(jobs, engine, listen)
        self._outcomes = before + outcomes
        return stopped

    @property
    def _scored(self) -> list[Path]:
        """The students that have a score."""
        return [p.cell.student.path for p in self.plan.cells if record.dev_score(p) is not None]

    def _close_group(self, status: Status) -> None:
        failed = {outcome.job.name for outcome in self._outcomes if outcome.state == "failed"}
        metrics = {
            "cells": len(self.plan.cells),
            "cells.done": len(self._scored),
            "cells.failed": sum(step.job.name in failed for step in self.plan.of_kind("cell")),
        }
        self._group.close(status, metrics, [p for p in (self._record.path, self._page) if p])

    def _say_presets(self) -> None:
        """What conf/ changes unasked, once for each task, method and depth."""
        cells = [cell for cell in self.plan.cells if cell.preset]
        told = [f"{study_title(cell.coordinates)}: {cell.preset}" for cell in cells]
        for line in dict.fromkeys(told):
            self._say(line)

    def _say_counts(self, workers: int) -> None:
        states = [planned.state for planned in self.plan.cells]
        counts = [f"{states.count(state)} {word}" for state, word in _STATES.items()]
        self._say(f"{len(states)} cells: {', '.join(counts)}")
        if not self.plan.steps:
            return
        others = [
            plural(len(steps), *words)
            for kind, words in _OTHERS.items()
            if (steps := self.plan.of_kind(kind))
        ]
        if others:
            self._say(f"beside them: {', '.join(others)}")
        guess = estimate(self.plan.steps)
        if guess.seconds:
            took = duration(guess.seconds / workers)
            self._say(f"about {took} of training with {plural(workers, 'worker')}")
        if guess.unknown:
            self._say(f"no estimate for {plural(guess.unknown, 'training')}: none like it yet")

    def _say_end(self) -> None:
        self._console.print(record.sweep_table(self.plan.cells))
        lines = [*record.failure_lines(self._outcomes), f"record: {short(self._record.path)}"]
        if self._page is not None:
            lines.append(f"report: {short(self._page)}")
        for line in (*lines, *self._group.lines(self._scored)):
            self._say(line)

    @cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(highlight=False)

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)


_STATES: Mapping[CellState, str] = {"done": "done", "stale": "stale", "todo": "to do"}
_OTHERS: Mapping[Kind, tuple[str, ...]] = {
    "teacher": ("teacher",),
    "signals": ("set of signals", "sets of signals"),
    "measurement": ("measurement",),
}
