"""How long trainings will take, from those that are finished in the store."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from rich import progress
from rich.console import Console

from alpkd_pipeline.errors import plural, some
from alpkd_pipeline.experiments.jobs import Event, Listener, Outcome
from alpkd_pipeline.experiments.plan import Step
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import is_complete
from alpkd_pipeline.store.run_folder import Damage, DamagedError, finished_below, noted
from alpkd_pipeline.tasks.task import UNLABELLED


class Finished(NamedTuple):
    """What a finished training says about others of its task; a teacher has no method."""

    method: str
    layers: int
    rows: float
    per_example: float  # seconds for each example of each epoch, evaluations included


class Estimate(NamedTuple):
    """Seconds of trainings one after the other, and of how many nothing is known."""

    seconds: float
    unknown: int


def estimate(steps: Sequence[Step]) -> Estimate:
    """The trainings among some steps; signals, scores and measurements are short beside them."""
    experiments = [step.experiment for step in steps]
    made = {stage.expected for e in experiments for stage in (e.teacher, e.student)}
    trained = (step for step in steps if step.kind in ("teacher", "cell"))
    return estimated(((step.experiment, step.kind == "teacher", 1) for step in trained), made)


def estimated(
    trainings: Iterable[tuple[Experiment, bool, int]], made: Collection[Path] | None = None
) -> Estimate:
    """All trainings together, each of an experiment's teacher or (False) student, so many times.

    `made` is that of `finished_trainings`.
    """
    known, unknown = 0.0, 0
    finished = cache(lambda place: finished_trainings(place, made))
    for experiment, teacher, times in trainings:
        place = experiment.store / (TEACHERS if teacher else STUDENTS) / experiment.task.name
        seconds = seconds_of(experiment, teacher, finished(place))
        known, unknown = known + times * (seconds or 0.0), unknown + times * (seconds is None)
    return Estimate(known, unknown)


def seconds_of(experiment: Experiment, teacher: bool, finished: Sequence[Finished]) -> float | None:
    """Seconds of one training; None if nothing of its task is finished.

    The same method and depth is the best guess; else any training of the task, in proportion to
    the number of layers.
    """
    if not finished:
        return None
    training = experiment.params.teacher.training if teacher else experiment.params.training
    method = "" if teacher else experiment.params.method.name
    depth = experiment.teacher_shape.layers if experiment.teacher_shape else None
    layers = depth if teacher else experiment.params.student.layers
    like = [f for f in finished if (f.method, f.layers) == (method, layers)] or finished
    per_example = mean(f.per_example * (layers / f.layers if layers else 1) for f in like)
    rows = mean(f.rows for f in like)
    task = experiment.params.task
    # Rows without a label come on top of the limit, and not for every method.
    limit = None if task.unlabelled == "allow" or UNLABELLED in task.files else task.train_rows
    # A limit above the number of rows there are changes nothing; that number is not known here.
    return per_example * training.epochs * (limit or rows)


def finished_trainings(place: Path, made: Collection[Path] | None = None) -> list[Finished]:
    """The finished trainings below a task's folder; what is of another shape is passed over.

    So is what has lost bytes and is made again, which it always is without `made`.

    Raises:
        DamagedError: names all that are not what was written, and would stay so.
    """
    found, damages = [], list[Damage]()
    for folder in finished_below(place):
        if (made is None or folder.path in made) and not is_complete(folder.path):
            continue
        with noted(damages), suppress(OSError, ValueError, KeyError, TypeError, ZeroDivisionError):
            found.append(_finished(folder.run, folder.metrics))
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


def about(seconds: float, workers: int, what: str = "") -> str:
    """How long trainings will take that are shared among so many workers."""
    return f"about {duration(seconds / workers)}{what} with {plural(workers, 'worker')}"


MOST_RUNNING = 3
"""How many of the running jobs are named beside the bar."""


@contextmanager
def job_progress(total: int, console: Console) -> Iterator[Listener]:
    """Tells of jobs as they end; gives what is to be called with events."""
    running, ended = dict[int, str](), count(1)
    with progress.Progress(
        progress.MofNCompleteColumn(),
        progress.BarColumn(bar_width=24),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.description}", markup=False),
        console=console,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("", total=total)

        def hear(event: Event) -> None:
            if event.outcome is None:
                running[event.slot] = event.job.name
            else:
                if running.get(event.slot) == event.job.name:
                    del running[event.slot]
                bar.advance(task)
                line = f"[{next(ended)}/{total}] {outcome_line(event.outcome)}"
                if event.outcome.state != "done" or not console.is_terminal:
                    console.print(line, markup=False, highlight=False, soft_wrap=True)
            bar.update(task, description=some(list(running.values()), MOST_RUNNING))

        yield hear


def outcome_line(outcome: Outcome) -> str:
    """How a job ended, in one line."""
    took = f" ({duration(outcome.seconds)})" if outcome.seconds else ""
    error = f": {outcome.error}" if outcome.error else ""
    return f"{outcome.state}: {outcome.job.name}{took}{error}"
