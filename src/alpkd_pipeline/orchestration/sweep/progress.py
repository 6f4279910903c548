"""What is said while jobs run: a bar on a terminal, one line per job elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from alpkd_pipeline.orchestration.sweep.estimate import duration
from alpkd_pipeline.orchestration.sweep.jobs import Event, Outcome

if TYPE_CHECKING:
    from rich.console import Console

MOST_RUNNING = 3
"""How many of the running jobs are named beside the bar."""


class JobProgress:
    """Tells of jobs as they end. Use it in a `with` block; call it with events.

    Args:
        total: how many jobs there are.
        console: where to.
    """

    def __init__(self, total: int, console: Console) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        self._console, self._total, self._ended = console, total, 0
        self._running: dict[int, str] = {}
        self._bar = Progress(
            MofNCompleteColumn(),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> JobProgress:
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.__exit__(kind, error, trace)

    def __call__(self, event: Event) -> None:
        """Take note of a beginning or an end."""
        if event.outcome is None:
            self._running[event.slot] = event.job.name
        else:
            if self._running.get(event.slot) == event.job.name:
                del self._running[event.slot]
            self._end(event.outcome)
        names = list(self._running.values())
        more = f" and {len(names) - MOST_RUNNING} more" if len(names) > MOST_RUNNING else ""
        told = ", ".join(names[:MOST_RUNNING]) + more
        self._bar.update(self._task, completed=self._ended, description=told)

    def _end(self, outcome: Outcome) -> None:
        self._ended += 1
        if outcome.state == "done" and self._console.is_terminal:
            return
        self._console.print(
            f"[{self._ended}/{self._total}] {outcome_line(outcome)}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )


def outcome_line(outcome: Outcome) -> str:
    """How a job ended, in one line."""
    took = f" ({duration(outcome.seconds)})" if outcome.seconds else ""
    error = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.state}: {outcome.job.name}{took}{error}"
