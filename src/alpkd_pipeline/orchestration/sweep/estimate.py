"""How long trainings will take, from those that are finished in the store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from types import TracebackType
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.orchestration.cell import Cell
from alpkd_pipeline.orchestration.sweep.jobs import Event, Outcome
from alpkd_pipeline.orchestration.sweep.plan import Step
from alpkd_pipeline.store.finished import Damage, DamagedError, finished_below
from alpkd_pipeline.store.manifest import is_complete
from alpkd_pipeline.store.run_folder import RUN_CONFIG

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Finished:
    """What a finished training says about others of its task.

    Attributes:
        method: the method, empty for a teacher.
        layers: transformer layers.
        rows: training rows.
        per_example: seconds for each example of each epoch, evaluations included.
    """

    method: str
    layers: int
    rows: float
    per_example: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds of training of all steps together.

    Attributes:
        seconds: of the trainings that could be estimated, one after the other.
        unknown: how many could not, since nothing of their task is finished.
    """

    seconds: float
    unknown: int


def estimate(steps: Sequence[Step]) -> Estimate:
    """The trainings among some steps; signals, scores and measurements are short beside them.

    Raises:
        DamagedError: a training of the same tasks is not what was written.
    """
    known, unknown = 0.0, 0
    made = {stage.path for step in steps for stage in (step.cell.teacher, step.cell.student)}
    finished: dict[tuple[Path, str], list[Finished]] = {}
    for step in steps:
        if step.kind not in ("teacher", "cell"):
            continue
        kind = "teachers" if step.kind == "teacher" else "students"
        place = step.cell.store / "06_models" / kind / step.cell.task.name
        if (place, kind) not in finished:
            finished[place, kind] = finished_trainings(place, made)
        seconds = seconds_of(step.cell, step.kind == "teacher", finished[place, kind])
        known, unknown = known + (seconds or 0.0), unknown + (seconds is None)
    return Estimate(known, unknown)


def seconds_of(cell: Cell, teacher: bool, finished: Sequence[Finished]) -> float | None:
    """Seconds of one training; None if nothing of its task is finished.

    The same method and depth is the best guess; else any training of the task, in proportion to
    the number of layers.

    Args:
        cell: the cell.
        teacher: whether its teacher is trained, or its student.
        finished: trainings of its task.
    """
    if not finished:
        return None
    training = cell.params.teacher.training if teacher else cell.params.training
    method = "" if teacher else cell.params.method.name
    depth = cell.teacher_shape.layers if cell.teacher_shape else None
    layers = depth if teacher else cell.params.student.layers
    same = [f for f in finished if (f.method, f.layers) == (method, layers)]
    per_example = mean(f.per_example for f in same) if same else _scaled(finished, layers)
    rows = mean(f.rows for f in same or finished)
    limit = cell.params.task.train_rows
    # A limit above the number of rows there are changes nothing; that number is not known here.
    return per_example * training.epochs * (limit or rows)


def _scaled(finished: Sequence[Finished], layers: int | None) -> float:
    return mean(f.per_example * (layers / f.layers if layers else 1.0) for f in finished)


def finished_trainings(place: Path, made: Collection[Path] | None = None) -> list[Finished]:
    """The finished trainings below a task's folder; what is of another shape is passed over.

    Args:
        place: the folder.
        made: what is made next, as far as it has lost bytes; None: whatever has.

    Raises:
        DamagedError: names all that are not what was written, and would stay so.
    """
    found, damages = [], list[Damage]()
    for folder in finished_below(place):
        if (made is None or folder.path in made) and not is_complete(folder.path):
            continue
        try:
            found.append(_finished(folder.json(RUN_CONFIG), folder.json("metrics.json")))
        except DamagedError as error:
            damages += error.damages
        except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            continue
    if damages:
        raise DamagedError(damages)
    return found


def _finished(run: dict[str, Any], metrics: dict[str, Any]) -> Finished:
    student = run["stage"] == "student"
    layers = run["params"]["student"]["layers"] if student else run["identity"]["teacher_layers"]
    return Finished(
        method=run["params"]["method"]["name"] if student else "",
        layers=int(layers),
        rows=metrics["examples"] / metrics["epochs"],
        per_example=metrics["seconds"] / metrics["examples"],
    )


def duration(seconds: float) -> str:
    """A duration as people say it: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


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
