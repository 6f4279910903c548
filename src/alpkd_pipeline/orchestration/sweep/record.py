"""The record of a sweep in its store: what was asked for and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.sweep.estimate import outcome_line
from alpkd_pipeline.orchestration.sweep.jobs import Outcome
from alpkd_pipeline.orchestration.sweep.plan import Plan, PlannedCell, is_there
from alpkd_pipeline.orchestration.sweep.spec import SweepSpec
from alpkd_pipeline.reporting.statistics.summary import score_text
from alpkd_pipeline.store.finished import FinishedFolder
from alpkd_pipeline.store.manifest import lock_file, write_json

if TYPE_CHECKING:
    from rich.table import Table


RECORDS = "08_reporting/sweeps"
"""Where the records lie, below the store."""


def sweep_id(env: str | None, now: datetime | None = None, number: int = 1) -> str:
    """The name of a sweep: its environment and when it began, to the second, in UTC.

    Args:
        env: the configuration environment.
        now: when it began.
        number: of those that began in the same second.
    """
    name = f"sweep-{env or 'base'}-{(now or datetime.now(UTC)):%Y%m%dT%H%M%SZ}"
    return name if number == 1 else f"{name}-{number}"


class SweepRecord:
    """One sweep's record; written whole each time, so that readers never see half of it.

    Args:
        store: the folder of all results.
        name: of `sweep_id`.
        env: the configuration environment.
        spec: what was asked for.
        command: the command line.
        plan: its cells and steps.
    """

    def __init__(
        self, store: Path, name: str, env: str | None, spec: SweepSpec, command: str, plan: Plan
    ) -> None:
        self.path = store / RECORDS / f"{name}.json"
        self._lock = FileLock(lock_file(self.path.with_suffix("")), timeout=0)
        self._plan = plan
        self._facts: dict[str, Any] = {
            "id": name,
            "env": env,
            "spec": spec.plain(),
            "command": command,
            "started": _now(),
            "ended": None,
        }

    def claim(self) -> bool:
        """Take the name and hold its lock, which says that the sweep is running.

        Returns:
            False if another sweep has it already.
        """
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        if self._lock.is_locked:
            return False
        try:
            self._lock.acquire()
        except Timeout:
            return False
        if self.path.exists():
            self._lock.release()
        return self._lock.is_locked

    def release(self) -> None:
        """Let go of the lock: the sweep is over."""
        self._lock.release()

    def begin(self) -> None:
        """Write down what is to be done."""
        self._write([])

    def end(self, outcomes: Sequence[Outcome]) -> None:
        """Write down what became of it."""
        self._facts["ended"] = _now()
        self._write(outcomes)

    def _write(self, outcomes: Sequence[Outcome]) -> None:
        known = {outcome.job.name: outcome for outcome in outcomes}
        jobs = [
            {"name": s.job.name, "kind": s.kind, **_ended(known.get(s.job.name), "todo")}
            for s in self._plan.steps
        ]
        cells = [_cell(planned, known) for planned in self._plan.cells]
        write_json(self.path, {**self._facts, "cells": cells, "jobs": jobs})


def _cell(planned: PlannedCell, known: Mapping[str, Outcome]) -> dict[str, Any]:
    outcome = known.get(planned.grid.name)
    state = "done" if planned.state == "done" or is_there(planned.cell.student_scores) else "todo"
    return {
        "coordinates": planned.grid.coordinates,
        "key": planned.cell.student.key,
        "command": planned.grid.command,
        **_ended(outcome, state),
    }


def _ended(outcome: Outcome | None, state: str) -> dict[str, Any]:
    return {
        "state": outcome.state if outcome else state,
        "error": outcome.error if outcome else None,
        "seconds": round(outcome.seconds, 3) if outcome else None,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


MOST_FAILURES = 20
"""How many failed jobs are listed; the record of the sweep has them all."""


def sweep_table(cells: Sequence[PlannedCell]) -> Table:
    """One line for each task, depth and method: how many cells are there, and their scores.

    Args:
        cells: all cells of the sweep; whether they are done is looked up in the store.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    for heading in ("task", "method"):
        table.add_column(heading, overflow="fold")
    for heading in ("layers", "done", "score", "sd"):
        table.add_column(heading, justify="right")
    table.add_column("of dev", overflow="fold")
    for (task, layers, method), members in _groups(cells).items():
        scores = [score for member in members if (score := dev_score(member)) is not None]
        table.add_row(
            Text(task),
            Text(method),
            str(layers),
            f"{len(scores)}/{len(members)}",
            score_text(mean(scores) if scores else None),
            score_text(stdev(scores) if len(scores) > 1 else None),
            members[0].cell.task.metrics[0],
        )
    return table


def _groups(cells: Sequence[PlannedCell]) -> dict[tuple[str, int, str], list[PlannedCell]]:
    found: dict[tuple[str, int, str], list[PlannedCell]] = defaultdict(list)
    for planned in cells:
        at = planned.grid.coordinates
        found[at["task"], at["layers"], at["method"]].append(planned)
    order = {task: n for n, task in enumerate(dict.fromkeys(task for task, _, _ in found))}
    return dict(sorted(found.items(), key=lambda item: (order[item[0][0]], -item[0][1])))


def dev_score(planned: PlannedCell) -> float | None:
    """The deciding score of a cell on the first dev split; None if it is not there.

    Raises:
        DamagedError: it is not what was sealed.
    """
    task, path = planned.cell.task, planned.cell.student_scores.folder
    return _score(path, task.dev_splits[0], task.metrics[0])


def _score(folder: Path, split: str, metric: str) -> float | None:
    try:
        scores = FinishedFolder(folder)
        if not scores.is_there:
            return None
        return float(scores.json("scores.json")["splits"][split]["scores"][metric])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def failure_lines(outcomes: Sequence[Outcome]) -> list[str]:
    """What was not done and why, one line each; jobs that were only waiting are counted."""
    told = [o for o in outcomes if o.state in ("failed", "interrupted")]
    waiting = sum(o.state == "not run" for o in outcomes)
    lines = [outcome_line(outcome) for outcome in told[:MOST_FAILURES]]
    if len(told) > MOST_FAILURES:
        lines.append(f"and {len(told) - MOST_FAILURES} more")
    if waiting:
        why = next(o.error for o in outcomes if o.state == "not run")
        lines.append(f"not run: {plural(waiting, 'job')} ({why})")
    return lines
