"""The record of a sweep in its store: what was asked for and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from alpkd_pipeline.orchestration.sweep.jobs import Outcome
from alpkd_pipeline.orchestration.sweep.plan import Plan, PlannedCell, is_there
from alpkd_pipeline.orchestration.sweep.spec import SweepSpec
from alpkd_pipeline.runs.locks import lock_file
from alpkd_pipeline.runs.manifest import write_json

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
