"""A search from its configuration to its record and the presets that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Any

from rich.table import Table

from alpkd_pipeline.errors import UserError, as_typed, plural, short
from alpkd_pipeline.experiments.campaign import Campaign, now
from alpkd_pipeline.experiments.estimate import about, estimated, outcome_line
from alpkd_pipeline.experiments.jobs import Engine, Event
from alpkd_pipeline.experiments.tuning.plan import (
    ExperimentMaker,
    PlannedStudy,
    Target,
    plan_studies,
    search_id,
)
from alpkd_pipeline.experiments.tuning.search import Running, Search, held, run_search
from alpkd_pipeline.experiments.tuning.spec import Point, TuneSpec, check_not_searched, size
from alpkd_pipeline.experiments.tuning.study import Study, finished_trials, open_storage
from alpkd_pipeline.project.check import Conf
from alpkd_pipeline.project.parameters import coordinate_params, study_title
from alpkd_pipeline.project.presets import COORDINATES, Preset, preset_path, write_presets
from alpkd_pipeline.reporting.formats import score_text
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.manifest import read_object
from alpkd_pipeline.tracking.group import Status


@dataclass(eq=False, repr=False)
class Tuning(Campaign):
    """A search of the studies that `only` chooses, perhaps with so many `trials` each.

    Running it writes the presets. It fails if a study finds nothing, or a trial fails through no
    fault of its settings.
    """

    kind = "search"
    spec: TuneSpec = field(init=False)
    trials: int | None = None

    def __post_init__(self) -> None:
        conf, on_top = self.loader.conf, self.loader.runtime_params or {}
        spec = TuneSpec.read(self.loader.folders)
        self.spec = spec.model_copy(update={"trials": self.trials or spec.trials})
        check_not_searched(self.spec, on_top, "--params")
        name = search_id(self.spec, self.env, on_top)
        self._maker = ExperimentMaker(self.spec, conf, on_top, self.env, self.project, name)
        self.studies = plan_studies(self._maker, self.only)
        experiments = [experiment for study in self.studies for experiment in study.sample]
        self._budget = sum(study.budget for study in self.studies)
        self._take(name, experiments, self._budget * len(self.spec.seeds))
        self._database = self._record.with_name("optuna.db")
        self._before = {study_title(s.target): now_set(conf, s.target) for s in self.studies}
        self._searches: list[Search] = []

    def _plan_lines(self, slots: int, *, dry_run: bool) -> Iterator[str]:
        if dry_run:
            tried = [min(finished_trials(self._database, s.name), s.budget) for s in self.studies]
            yield from plan_lines(self.studies, tried, len(self.spec.seeds))
            yield estimate_line(self.studies, tried, slots)

    @contextmanager
    def _held(self) -> Iterator[None]:
        names = [self.name, *(study.name for study in self.studies)]
        with held(self._record.parent, names):
            storage = open_storage(self._database)
            for p in self.studies:
                metric = p.sample[0].task.primary_metric
                study = Study(storage, p.name, p.space, self.spec.sampler, p.budget, metric)
                self._searches.append(Search(p.target, study, self._maker))
            yield

    def _work(self, engine: Engine) -> Status:
        if not self._complete:
            self._open_group(f"{len(self.studies)} studies")
        if not run_search(self._searches, engine, self._tell_trial, self._hear):
            return "KILLED"
        found = all(search.study.best() is not None for search in self._searches)
        return "FINISHED" if found and self._complete else "FAILED"

    def _has_ended(self, status: Status) -> bool:
        return self._complete and status != "KILLED"

    @property
    def _settled(self) -> int:
        return sum(search.study.finished for search in self._searches)

    @property
    def _complete(self) -> bool:
        """Whether every method has had its whole budget; presets of less would not be fair."""
        return self._settled >= self._budget

    def _tell_trial(self, trial: Running, score: float | None) -> None:
        self._tell(f"[{self._settled}/{self._budget}] {trial_line(trial, score)}")

    def _hear(self, event: Event) -> None:
        """Say how jobs ended that are no trial; trials are told with their scores."""
        if event.outcome is not None and event.job.to_outputs != ("student",):
            self._tell(outcome_line(event.outcome))

    def _write_presets(self) -> list[str]:
        """Write them; what to say about it."""
        changes = []
        for search in self._searches:
            best, tried = search.study.best(), plural(search.study.finished, "trial")
            if best is not None and best.params:
                found = f"best of {tried}, {self.spec.selection} {best.value:.4f}"
                by = f"{self.name}: {found}, {now()[:10]}"
                preset = Preset(dict(search.target), best.params, by)
                changes.append((preset, self._before[study_title(search.target)]))
        if not changes:
            return []
        path = preset_path(Path(self.loader.conf_source), self.env)
        was_there = path.exists()
        write_presets(path, [preset for preset, _ in changes])
        return change_lines(changes, str(short(path)), was_there=was_there)

    def _facts(self) -> dict[str, Any]:
        return facts(self.spec, self._record, self._searches)

    def _metrics(self) -> dict[str, float]:
        return {"trials": self._budget, "trials.done": self._settled}

    def _say_end(self, status: Status) -> list[Path]:
        changes = self._write_presets() if self._has_ended(status) else []
        self._console.print(tuning_table(self._searches))
        if status == "KILLED":
            self._tell("stopped; the same command goes on from what is finished")
        elif not self._complete:
            left = self._budget - self._settled
            self._tell(
                f"no presets are written: {left} of {self._budget} trials failed through no fault"
                " of their settings; the same command tries them again"
            )
        self._say(changes)
        if changes and self.spec.selection == "dev":
            self._tell("chosen on dev: dev scores of runs with these presets are optimistic")
        elif changes and self._experiments[0].params.teacher.brought:
            self._tell("the teacher was brought and may have seen the holdout")
        return [
            experiment.student.path
            for s in self._searches
            if (best := s.study.best()) is not None
            for experiment in s.maker.experiments(s.target, best.params)
        ]


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
    trials = sorted([*study.trials(), *study.failed()], key=attrgetter("number"))
    return {
        **coordinates,
        "trials": [
            {
                "number": trial.number,
                "values": trial.params,
                "score": trial.value,
                "state": "failed" if trial.value is None else "done",
                **trial.user_attrs,
            }
            for trial in trials
        ],
        "best": best and {"values": best.params, "score": best.value},
        "metric": study.metric,
        "possible": size(study.space),
        "budget": study.budget,
        "done": len(study.trials()),
    }


def with_others(path: Path, given: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Some studies, and those of a record that are of another task, method or depth."""
    coordinates = itemgetter(*COORDINATES)
    studies = {coordinates(one): one for one in (*read_object(path).get("studies", []), *given)}
    return [studies[key] for key in sorted(studies)]


def point_text(point: Point) -> str:
    """A point for people: `lr=0.0004, temperature=2`."""
    shown = (
        f"{name.rpartition('.')[2]}={f'{value:g}' if isinstance(value, float) else value}"
        for name, value in point.items()
    )
    return ", ".join(shown) or "nothing to choose"


def trial_line(trial: Running, score: float | None) -> str:
    """How a trial ended, in one line."""
    maker = trial.search.maker
    metric = f"{maker.spec.selection} {trial.experiments[0].task.metrics[0]}"
    told = f"{metric} {score_text(score)}" if score is not None else f"failed: {trial.error}"
    return f"{trial.name}: {told} ({point_text(trial.asked.point)})"


def plan_lines(studies: Sequence[PlannedStudy], tried: Sequence[int], seeds: int) -> list[str]:
    """What a search would do, one line per study, of which some trials are done, and for all."""
    titles = [study_title(study.target) for study in studies]
    width, left, lines = max(map(len, titles)), 0, []
    for title, study, n in zip(titles, studies, tried, strict=True):
        possible = size(study.space)
        of = "a range" if possible is None else f"{possible} possible"
        lines.append(f"{title:{width}}  {study.budget} trials of {of}, {n} done")
        left += study.budget - n
    each = f", each with {seeds} seeds" if seeds > 1 else ""
    return [*lines, f"{plural(len(studies), 'study', 'studies')}, {left} trials to run{each}"]


def now_set(conf: Conf, target: Target) -> dict[str, Any]:
    """What conf/ sets of the experiments of a study, by dotted name."""
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
        (experiment, False, study.budget - n)
        for study, n in zip(studies, tried, strict=True)
        for experiment in study.sample
    )
    told = [about(seconds, workers)]
    if unknown:
        students = plural(unknown, "student")
        told.append(f"no estimate for {students}: nothing of their task is finished")
    return "; ".join(told[not seconds :]) or "nothing to do"


def tuning_table(searches: Sequence[Search]) -> Table:
    """One line per study: what was tried and what was best."""
    rows = []
    for search in searches:
        best, possible = search.study.best(), size(search.study.space)
        metric = search.maker.experiments(search.target, {})[0].task.metrics[0]
        done = str(len(search.study.trials()))
        title = study_title(search.target)
        point = point_text(best.params) if best else "no trial has a score"
        score = f"{score_text(best.value)} {metric}" if best else ""
        rows.append([title, point, score, done if possible is None else f"{done}/{possible}"])
    judge = searches[0].maker.spec.selection
    return text_table(["study", "best", f"score on {judge}", "trials"], rows)


def refuse_seeds(only: Mapping[str, Any]) -> None:
    """Refuse a choice of seeds: a study has all of them."""
    for name in ("seed", "teacher_seed"):
        if name in only:
            raise UserError(f"--only {name}=...: a study is chosen by task, method and layers")
