"""What a sweep says when it ends: a table of its cells, and what went wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import TYPE_CHECKING

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.sweep.jobs import Outcome
from alpkd_pipeline.orchestration.sweep.plan import PlannedCell
from alpkd_pipeline.orchestration.sweep.progress import outcome_line
from alpkd_pipeline.reporting.numbers import score_text
from alpkd_pipeline.runs.finished import FinishedFolder

if TYPE_CHECKING:
    from rich.table import Table

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
