"""What a search says: its plan, each trial, and the table at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.check import Conf
from alpkd_pipeline.orchestration.sweep.estimate import duration, finished_trainings, seconds_of
from alpkd_pipeline.orchestration.sweep.grid import coordinate_params
from alpkd_pipeline.orchestration.tuning.plan import PlannedStudy
from alpkd_pipeline.orchestration.tuning.preset import Preset
from alpkd_pipeline.orchestration.tuning.search import Running, Search
from alpkd_pipeline.orchestration.tuning.space import Point
from alpkd_pipeline.orchestration.tuning.trials import Target, study_title
from alpkd_pipeline.program import as_typed
from alpkd_pipeline.reporting.numbers import score_text

if TYPE_CHECKING:
    from rich.table import Table


def point_text(point: Point) -> str:
    """A point for people: `lr=0.0004, temperature=2`."""
    shown = (
        (name.rpartition(".")[2], f"{value:g}" if isinstance(value, float) else str(value))
        for name, value in point.items()
    )
    return ", ".join(f"{name}={value}" for name, value in shown) or "nothing to choose"


def trial_line(trial: Running, score: float | None) -> str:
    """How a trial ended, in one line."""
    maker = trial.search.maker
    metric = f"{maker.spec.selection} {trial.cells[0].task.metrics[0]}"
    told = f"{metric} {score_text(score)}" if score is not None else f"failed: {trial.error}"
    return f"{trial.name}: {told} ({point_text(trial.asked.point)})"


def plan_lines(studies: Sequence[PlannedStudy], tried: Sequence[int], seeds: int) -> list[str]:
    """What a search would do, one line per study and one for all.

    Args:
        studies: its studies.
        tried: how many trials of each study need not run again.
        seeds: students per trial.
    """
    titles = [study_title(study.target) for study in studies]
    width = max(map(len, titles))
    lines = []
    for title, study, n in zip(titles, studies, tried, strict=True):
        of = "a range" if study.possible is None else f"{study.possible} possible"
        lines.append(f"{title:{width}}  {study.budget} trials of {of}, {n} done")
    left = sum(study.budget - n for study, n in zip(studies, tried, strict=True))
    each = f", each with {seeds} seeds" if seeds > 1 else ""
    return [*lines, f"{plural(len(studies), 'study', 'studies')}, {left} trials to run{each}"]


def now_set(conf: Conf, target: Target) -> dict[str, Any]:
    """What conf/ sets of the cells of a study, by dotted name."""
    params = conf.params(coordinate_params({**target, "seed": 0, "teacher_seed": 0})).plain()
    blocks = ("training", "method")
    return {f"{block}.{name}": v for block in blocks for name, v in params[block].items()}


def change_lines(
    changes: Sequence[tuple[Preset, Mapping[str, Any]]], path: str, *, was_there: bool
) -> list[str]:
    """What presets change of what commands train, and how to undo it.

    Args:
        changes: each preset, with what conf/ said before, by dotted name.
        path: the file of the presets.
        was_there: whether it had been there.
    """
    lines = [f"presets: {path}"]
    for preset, before in changes:
        told = (
            f"{name}={value}" + (f" (was {before[name]})" if before.get(name) != value else "")
            for name, value in preset.settings.items()
        )
        lines.append(f"  {study_title(preset.where)}: {', '.join(told)}")
    undo = "take these entries out of it, or write the old numbers into them"
    now = "from now on `kedro run` and `kedro sweep` train with these numbers; to undo it,"
    lines.append(as_typed(f"{now} {undo if was_there else 'remove that file'}"))
    return lines


def estimate_line(studies: Sequence[PlannedStudy], tried: Sequence[int], workers: int) -> str:
    """About how long the students will take, judged by those that are finished in the store."""
    seconds, unknown = 0.0, 0
    for study, n in zip(studies, tried, strict=True):
        for cell in study.sample:
            place = cell.store / "06_models" / "students" / cell.task.name
            one = seconds_of(cell, False, finished_trainings(place))
            seconds += (one or 0.0) * (study.budget - n)
            unknown += (study.budget - n) * (one is None)
    by = plural(workers, "worker")
    told = f"about {duration(seconds / workers)} with {by}" if seconds else ""
    if unknown:
        more = f"no estimate for {plural(unknown, 'student')}: nothing of their task is finished"
        return f"{told}; {more}" if told else more
    return told or "nothing to do"


def tuning_table(searches: Sequence[Search]) -> Table:
    """One line per study: what was tried and what was best."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    judge = searches[0].maker.spec.selection
    for heading in ("study", "best", f"score on {judge}", "trials"):
        table.add_column(heading, overflow="fold")
    for search in searches:
        best, possible = search.study.best(), search.study.possible
        metric = search.maker.cells(search.target, {})[0].task.metrics[0]
        done = str(len(search.study.trials()))
        table.add_row(
            Text(study_title(search.target)),
            Text(point_text(best.values) if best else "no trial has a score"),
            Text(f"{score_text(best.score)} {metric}" if best else ""),
            done if possible is None else f"{done}/{possible}",
        )
    return table
