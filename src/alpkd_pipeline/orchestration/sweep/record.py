"""The record of a sweep in its store: what was asked for and what became of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from statistics import mean, stdev
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.sweep.estimate import outcome_line
from alpkd_pipeline.orchestration.sweep.grid import GridCell
from alpkd_pipeline.orchestration.sweep.jobs import Outcome
from alpkd_pipeline.orchestration.sweep.plan import Plan
from alpkd_pipeline.reporting.formats import score_text
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table


def sweep_id(env: str | None, began: datetime, number: int = 1) -> str:
    """The name of a sweep: its environment, when it began, and which it is of that second."""
    name = f"sweep-{env or 'base'}-{began:%Y%m%dT%H%M%SZ}"
    return name if number == 1 else f"{name}-{number}"


def facts(plan: Plan, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a sweep's record says of its cells and of its jobs, as far as they have ended."""
    known = {outcome.job.name: outcome for outcome in outcomes}
    jobs = [
        {"name": s.job.name, "kind": s.kind, **_ended(known.get(s.job.name), done=False)}
        for s in plan.steps
    ]
    cells = [
        {
            "coordinates": p.coordinates,
            "key": p.cell.student.key,
            "command": p.cell.command,
            **_ended(
                known.get(p.name),
                done=p.state == "done" or p.cell.student_scores.found is not None,
            ),
        }
        for p in plan.cells
    ]
    return {"cells": cells, "jobs": jobs}


def _ended(outcome: Outcome | None, *, done: bool) -> dict[str, Any]:
    if outcome is None:
        return {"state": "done" if done else "todo", "error": None, "seconds": None}
    seconds = round(outcome.seconds, 3)
    return {"state": outcome.state, "error": outcome.error, "seconds": seconds}


MOST_FAILURES = 20
"""How many failed jobs are listed; the record of the sweep has them all."""


def sweep_table(cells: Sequence[GridCell]) -> Table:
    """One line for each task, depth and method: how many cells are there, and their scores."""
    found: dict[tuple[str, int, str], list[GridCell]] = defaultdict(list)
    for planned in cells:
        at = planned.coordinates
        found[at["task"], at["layers"], at["method"]].append(planned)
    tasks, rows = [task for task, *_ in found], []
    for task, layers, method in sorted(found, key=lambda group: (tasks.index(group[0]), -group[1])):
        members = found[task, layers, method]
        scores = [score for member in members if (score := dev_score(member)) is not None]
        middle = score_text(mean(scores) if scores else None)
        spread = score_text(stdev(scores) if len(scores) > 1 else None)
        done, metric = f"{len(scores)}/{len(members)}", members[0].cell.task.metrics[0]
        rows.append([task, method, str(layers), done, middle, spread, metric])
    numbers = ("layers", "done", "score", "sd")
    return text_table(["task", "method", *numbers, "of dev"], rows, numbers)


def dev_score(planned: GridCell) -> float | None:
    """The deciding score of a cell on the first dev split; None if it is not there."""
    task = planned.cell.task
    try:
        scores = RunFolder(planned.cell.student_scores.path)
        if not scores.is_there:
            return None
        found = scores.json("scores.json")["splits"][task.dev_splits[0]]["scores"]
        return float(found[task.metrics[0]])
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
