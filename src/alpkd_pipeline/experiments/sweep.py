"""A sweep from its configuration to its table and its record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from rich.table import Table

from alpkd_pipeline.errors import plural
from alpkd_pipeline.experiments.campaign import Campaign
from alpkd_pipeline.experiments.estimate import about, estimate, job_progress, outcome_line
from alpkd_pipeline.experiments.grid import GridPoint, PointState, SweepSpec, expand
from alpkd_pipeline.experiments.jobs import Engine, Event, Job, Outcome, run_jobs
from alpkd_pipeline.experiments.plan import Plan, StepKind, make_plan
from alpkd_pipeline.project.config_loader import EXACT, project_context
from alpkd_pipeline.project.parameters import merged, study_title
from alpkd_pipeline.reporting.formats import score_text
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.layout import COMPARISON, PAGES
from alpkd_pipeline.store.manifest import lock_file
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.store.unfinished import taken
from alpkd_pipeline.tracking.group import Status


def comparison_job(params: Mapping[str, Any]) -> Job:
    """The job that compares what is in the store of an experiment with these parameters."""
    return Job(COMPARISON, "compare", (COMPARISON,), params, "kedro run --pipeline=compare")


def present_comparison(project: Path, env: str | None, params: Mapping[str, Any]) -> Path | None:
    """The page of the comparison of what is there now; None if it has not been made."""
    dataset = project_context(project, env, {EXACT: dict(params)}).catalog[COMPARISON]
    if not dataset.exists():
        return None
    folder = Path(dataset.path)
    return next((folder / page for page in PAGES if (folder / page).is_file()), folder)


@dataclass(eq=False, repr=False)
class Sweep(Campaign):
    """A sweep of the part of the grid that `only` chooses; `report` asks for the comparison."""

    kind = "sweep"
    spec: SweepSpec = field(init=False)
    report: bool = True

    def __post_init__(self) -> None:
        self.spec = SweepSpec.read(self.loader.folders)
        self._began, self._outcomes = datetime.now(UTC), list[Outcome]()
        self._plan_as(1)

    def _plan_as(self, number: int) -> None:
        name, conf = sweep_id(self.env, self._began, number), self.loader.conf
        on_top = merged({"run": {"group": name}}, self.loader.runtime_params or {})
        grid = expand(self.spec, conf, self.project, self.env, on_top, self.only)
        self.plan = make_plan(grid, measure=self.spec.measure)
        experiments = [planned.experiment for planned in self.plan.experiments]
        self._take(name, experiments, len(self.plan.steps))

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Hold the lock of a name that no other sweep has: two may begin in the same second."""
        for number in count(2):
            with taken(lock_file(self._record.with_suffix(""))) as free:
                if free and not self._record.exists():
                    yield
                    return
            self._plan_as(number)

    def _work(self, engine: Engine) -> Status:
        if self.plan.of_kind("teacher") or self.plan.of_kind("cell"):
            self._open_group(f"{len(self.plan.experiments)} experiments")
        stopped = bool(self.plan.steps) and self._run([s.job for s in self.plan.steps], engine)
        if self.report and self._students() and not stopped:
            self._write_record(ended=True)
            stopped = self._compare(engine)
        done = all(outcome.state == "done" for outcome in self._outcomes)
        return "KILLED" if stopped else "FINISHED" if done else "FAILED"

    def _compare(self, engine: Engine) -> bool:
        """Make the comparison's page, if it is not there; whether somebody stopped it."""
        params = merged(self._experiments[0].params.plain(), {"compare": {"sweep": self.name}})
        page = present_comparison(self.project, self.env, params)
        stopped = page is None and self._run([comparison_job(params)], engine)
        page = page or present_comparison(self.project, self.env, params)
        if page is not None:
            self._files["report"] = page
        return stopped

    def _run(self, jobs: Sequence[Job], engine: Engine) -> bool:
        """Run jobs and remember their outcomes; whether somebody stopped them."""
        before = list(self._outcomes)
        with job_progress(len(jobs), self._console) as progress:

            def listen(event: Event) -> None:
                # Remembered at once: another Ctrl-C must not take what is known already.
                if event.outcome is not None:
                    self._outcomes.append(event.outcome)
                progress(event)

            outcomes, stopped = run_jobs(jobs, engine, listen)
        self._outcomes = before + outcomes
        return stopped

    def _facts(self) -> dict[str, Any]:
        return {"spec": self.spec.plain(), **facts(self.plan, self._outcomes)}

    def _students(self) -> list[Path]:
        """Those that have a score."""
        scored = [p for p in self.plan.experiments if dev_score(p) is not None]
        return [planned.experiment.student.path for planned in scored]

    def _metrics(self) -> dict[str, float]:
        failed = {outcome.job.name for outcome in self._outcomes if outcome.state == "failed"}
        return {
            "cells": len(self.plan.experiments),
            "cells.done": len(self._students()),
            "cells.failed": sum(step.job.name in failed for step in self.plan.of_kind("cell")),
        }

    def _say_end(self, _status: Status) -> list[Path]:
        self._console.print(sweep_table(self.plan.experiments))
        self._say(failure_lines(self._outcomes))
        return self._students()

    def _plan_lines(self, slots: int, *, dry_run: bool) -> Iterator[str]:
        # What conf/ changes unasked, once for each task, method and depth.
        experiments = [experiment for experiment in self.plan.experiments if experiment.preset]
        yield from dict.fromkeys(f"{study_title(c.coordinates)}: {c.preset}" for c in experiments)
        for planned in self.plan.experiments if dry_run else ():
            why = f" ({', '.join(planned.why)})" if planned.why else ""
            yield f"{planned.state}: {planned.name}{why}"
        yield from self._counts(slots)
        if dry_run:
            yield from self._seeds_needed()

    def _counts(self, workers: int) -> Iterator[str]:
        states = [planned.state for planned in self.plan.experiments]
        counts = [f"{states.count(state)} {word}" for state, word in _STATES.items()]
        yield f"{len(states)} experiments: {', '.join(counts)}"
        others = {words: len(self.plan.of_kind(kind)) for kind, words in _OTHERS.items()}
        if any(others.values()):
            told = (plural(count, *words) for words, count in others.items() if count)
            yield f"beside them: {', '.join(told)}"
        seconds, unknown = estimate(self.plan.steps)
        if seconds:
            yield about(seconds, workers, " of training")
        if unknown:
            yield f"no estimate for {plural(unknown, 'training')}: none like it yet"

    def _seeds_needed(self) -> Iterator[str]:
        """How many seeds would show what, as far as earlier runs tell their noise."""
        from alpkd_pipeline.reporting.collect import Query, gather
        from alpkd_pipeline.reporting.sources import Sources
        from alpkd_pipeline.reporting.statistics.power import pairs_of, seeds_needed

        columns, first = defaultdict[tuple[str, int], set[str]](set), self._experiments[0]
        for planned in self.plan.experiments:
            at = planned.coordinates
            columns[at["task"], at["layers"]].add(at["method"])
        pairs = pairs_of([sorted(methods) for methods in columns.values()])
        if pairs and first.store.is_dir():
            compare = first.params.compare.model_dump(mode="json")
            query = replace(Query.of(compare), sweep=None, only={})
            sources = Sources(gather(first.store, query))
            tasks = sorted({task for task, _ in columns})
            yield from seeds_needed(sources.found, sources.judge.plan, tasks, pairs)


_STATES: Mapping[PointState, str] = {"done": "done", "stale": "stale", "todo": "to do"}
_OTHERS: Mapping[StepKind, tuple[str, ...]] = {
    "teacher": ("teacher",),
    "signals": ("set of signals", "sets of signals"),
    "measurement": ("measurement",),
}


def sweep_id(env: str | None, began: datetime, number: int = 1) -> str:
    """The name of a sweep: its environment, when it began, and which it is of that second."""
    name = f"sweep-{env or 'base'}-{began:%Y%m%dT%H%M%SZ}"
    return name if number == 1 else f"{name}-{number}"


def facts(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a sweep's record says of its experiments and of its jobs, as far as they have ended."""
    known = {outcome.job.name: outcome for outcome in outcomes}

    def ended(name: str, *, done: bool = False) -> dict[str, Any]:
        if found := known.get(name):
            return {"state": found.state, "error": found.error, "seconds": round(found.seconds, 3)}
        return {"state": "done" if done else "todo", "error": None, "seconds": None}

    jobs = [{"name": s.job.name, "kind": s.kind, **ended(s.job.name)} for s in plan.steps]
    cells = []
    for p in plan.experiments:
        done = p.state == "done" or p.experiment.student_scores.found is not None
        named = {"coordinates": p.coordinates, "key": p.experiment.student.key}
        cells.append({**named, "command": p.experiment.command, **ended(p.name, done=done)})
    return {"cells": cells, "jobs": jobs}


MOST_FAILURES = 20
"""How many failed jobs are listed; the record of the sweep has them all."""


def sweep_table(experiments: Sequence[GridPoint]) -> Table:
    """A line for each task, depth and method: how many experiments are there, their scores."""
    found: dict[tuple[str, int, str], list[GridPoint]] = defaultdict(list)
    for planned in experiments:
        at = planned.coordinates
        found[at["task"], at["layers"], at["method"]].append(planned)
    tasks, rows = [task for task, *_ in found], []
    for task, layers, method in sorted(found, key=lambda group: (tasks.index(group[0]), -group[1])):
        members = found[task, layers, method]
        scores = [score for member in members if (score := dev_score(member)) is not None]
        middle = score_text(mean(scores) if scores else None)
        spread = score_text(stdev(scores) if len(scores) > 1 else None)
        done, metric = f"{len(scores)}/{len(members)}", members[0].experiment.task.metrics[0]
        rows.append([task, method, str(layers), done, middle, spread, metric])
    numbers = ("layers", "done", "score", "sd")
    return text_table(["task", "method", *numbers, "of dev"], rows, numbers)


def dev_score(planned: GridPoint) -> float | None:
    """The primary score of an experiment on the first dev split; None if it is not there."""
    task = planned.experiment.task
    try:
        scores = RunFolder(planned.experiment.student_scores.path)
        if not scores.is_there:
            return None
        found = scores.json("scores.json")["splits"][task.dev_splits[0]]["scores"]
        return float(found[task.metrics[0]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def failure_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What was not done and why, one line each; jobs that were only waiting are counted."""
    told = [outcome_line(o) for o in outcomes if o.state in ("failed", "interrupted")]
    waiting = [o.error for o in outcomes if o.state == "not run"]
    more = [f"and {len(told) - MOST_FAILURES} more"] if len(told) > MOST_FAILURES else []
    not_run = [f"not run: {plural(len(waiting), 'job')} ({waiting[0]})"] if waiting else []
    return [*told[:MOST_FAILURES], *more, *not_run]
