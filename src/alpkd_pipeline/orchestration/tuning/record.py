"""What a search leaves behind for people and reports: one JSON file beside Optuna's database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.orchestration.check import Conf
from alpkd_pipeline.orchestration.parameters import coordinate_params, study_title
from alpkd_pipeline.orchestration.presets import Preset
from alpkd_pipeline.orchestration.sweep.estimate import Training, duration, estimated
from alpkd_pipeline.orchestration.tuning.plan import PlannedStudy, Target
from alpkd_pipeline.orchestration.tuning.search import Running, Search
from alpkd_pipeline.orchestration.tuning.spec import Point, TuneSpec
from alpkd_pipeline.orchestration.tuning.study import Study
from alpkd_pipeline.program import as_typed
from alpkd_pipeline.reporting.formats import score_text
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.manifest import read_object

if TYPE_CHECKING:
    from rich.table import Table


DATABASE = "optuna.db"


def facts(spec: TuneSpec, path: Path, searches: Sequence[Search]) -> dict[str, Any]:
    """What a search's record says; studies that it holds already and are none of these stay."""
    given = [study_record(search.target, search.study) for search in searches]
    studies = with_others(path, given)
    return {
        "selection": spec.selection,
        "sampler": spec.sampler,
        "trials": {"asked": spec.trials, "done": sum(study["done"] for study in studies)},
        "seeds": list(spec.seeds),
        "space": spec.space,
        "studies": studies,
    }


def study_record(coordinates: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """What a record says about one study."""
    best = study.best()
    trials = sorted([*study.trials(), *study.failed()], key=lambda trial: trial.number)
    return {
        **coordinates,
        "trials": [
            {
                "number": trial.number,
                "values": dict(trial.values),
                "score": trial.score,
                "state": "done" if trial.score is not None else "failed",
                **trial.facts,
            }
            for trial in trials
        ],
        "best": None if best is None else {"values": best.values, "score": best.score},
        "metric": study.metric,
        "possible": study.possible,
        "budget": study.budget,
        "done": len(study.trials()),
    }


def with_others(path: Path, given: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Some studies, and those of a record that are of another task, method or depth."""
    places = [_place(study) for study in given]
    kept = [s for s in read_object(path).get("studies", []) if _place(s) not in places]
    return sorted([*kept, *given], key=_place)


def _place(study: Mapping[str, Any]) -> tuple[str, str, int]:
    return str(study["task"]), str(study["method"]), int(study["layers"])


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
    """What a search would do, one line per study, of which some trials are done, and for all."""
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
    return flat({block: params[block] for block in ("training", "method")})


def change_lines(
    changes: Sequence[tuple[Preset, Mapping[str, Any]]], path: str, *, was_there: bool
) -> list[str]:
    """What presets change of what conf/ said before (by dotted name), and how to undo it."""
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
    seconds, unknown = estimated(
        Training(cell, teacher=False, times=study.budget - n)
        for study, n in zip(studies, tried, strict=True)
        for cell in study.sample
    )
    by = plural(workers, "worker")
    told = f"about {duration(seconds / workers)} with {by}" if seconds else ""
    if unknown:
        more = f"no estimate for {plural(unknown, 'student')}: nothing of their task is finished"
        return f"{told}; {more}" if told else more
    return told or "nothing to do"


def tuning_table(searches: Sequence[Search]) -> Table:
    """One line per study: what was tried and what was best."""
    rows = []
    for search in searches:
        best, possible = search.study.best(), search.study.possible
        metric = search.maker.cells(search.target, {})[0].task.metrics[0]
        done = str(len(search.study.trials()))
        title = study_title(search.target)
        point = point_text(best.values) if best else "no trial has a score"
        score = f"{score_text(best.score)} {metric}" if best else ""
        rows.append([title, point, score, done if possible is None else f"{done}/{possible}"])
    judge = searches[0].maker.spec.selection
    return text_table(["study", "best", f"score on {judge}", "trials"], rows)
