"""A search from its configuration to the presets that it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.parameters import study_title
from alpkd_pipeline.orchestration.presets import Preset, preset_path, write_presets
from alpkd_pipeline.orchestration.sweep.campaign import EXIT_CODES, TrackedGroup, now, to_its_end
from alpkd_pipeline.orchestration.sweep.engines import make_engine
from alpkd_pipeline.orchestration.sweep.estimate import outcome_line
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event
from alpkd_pipeline.orchestration.tuning import record
from alpkd_pipeline.orchestration.tuning.plan import CellMaker, plan_studies, search_id
from alpkd_pipeline.orchestration.tuning.search import Running, Search, held, run_search
from alpkd_pipeline.orchestration.tuning.spec import check_not_searched, read_spec
from alpkd_pipeline.orchestration.tuning.study import Study, open_storage, settled_trials
from alpkd_pipeline.program import short
from alpkd_pipeline.store.layout import SEARCHES

if TYPE_CHECKING:
    from alpkd_pipeline.tracking.group import Status


class Tuning:
    """A planned search of the studies that `only` chooses, perhaps with another budget each."""

    def __init__(
        self,
        project: Path,
        loader: CellConfigLoader,
        env: str | None,
        only: Mapping[str, Any],
        trials: int | None,
        command: str,
    ) -> None:
        conf, self._conf_folder = loader.conf, Path(loader.conf_source)
        on_top = loader.runtime_params or {}
        spec = read_spec(loader.folders)
        self.spec = spec.model_copy(update={"trials": trials}) if trials else spec
        check_not_searched(self.spec, on_top, "--params")
        self.project, self.env, self._command = project, env, command
        self.name = search_id(self.spec, env, on_top)
        self._maker = CellMaker(self.spec, conf, on_top, env, project, self.name)
        self.studies = plan_studies(self._maker, only)
        self._cell = self.studies[0].sample[0]
        self._before = {study_title(s.target): record.now_set(conf, s.target) for s in self.studies}
        self._folder = self._cell.store / SEARCHES
        self._record = self._folder / f"{self.name}.json"
        self._group = TrackedGroup(self._cell.params.run, self.name, project)
        self._searches: list[Search] = []

    def tell_plan(self, engine: str, workers: int | None) -> None:
        """Say what the search would try, and how long it may take. Nothing is written."""
        database = self._folder / record.DATABASE
        tried = [min(settled_trials(database, s.name), s.budget) for s in self.studies]
        for line in record.plan_lines(self.studies, tried, len(self.spec.seeds)):
            click.echo(line)
        click.echo(record.estimate_line(self.studies, tried, self._engine(engine, workers).slots))

    def run(self, engine: str, workers: int | None) -> int:
        """Run what is left of the budgets and write the presets.

        Gives the exit code: 0, 1 if a study found nothing or a trial failed through no fault of its
        settings, 130 if somebody stopped the search. Raises UserError while another process is at
        the same search or at one of its studies.
        """
        with held(self._folder, [self.name, *(study.name for study in self.studies)]):
            self._open_studies()
            status = to_its_end(
                lambda: self._run_trials(self._engine(engine, workers)),
                lambda status: self._write_record(ended=self._has_ended(status)),
                self._close_group,
            )
            self._say_end(status, self._write_presets() if self._has_ended(status) else [])
        return EXIT_CODES[status]

    def _has_ended(self, status: Status) -> bool:
        return self._complete and status != "KILLED"

    def _engine(self, name: str, workers: int | None) -> Engine:
        cells = [cell.params for study in self.studies for cell in study.sample]
        most = self._budget * len(self.spec.seeds)
        return make_engine(name, self.project, self.env, self.spec, cells, workers, most=most)

    def _open_studies(self) -> None:
        storage = open_storage(self._folder / record.DATABASE)
        for planned in self.studies:
            metric = planned.sample[0].task.deciding_metric
            study = Study(
                storage, planned.name, planned.space, self.spec.sampler, planned.budget, metric
            )
            self._searches.append(Search(planned.target, study, self._maker))

    def _run_trials(self, engine: Engine) -> Status:
        self._write_record(ended=False)
        if not self._complete:
            told = f"{len(self.studies)} studies by `{self._command}`"
            self._group.open("search", told, self.spec.plain())
        try:
            if not run_search(self._searches, engine, self._tell, _hear):
                return "KILLED"
        finally:
            engine.stop()
        found = all(search.study.best() is not None for search in self._searches)
        return "FINISHED" if found and self._complete else "FAILED"

    @property
    def _budget(self) -> int:
        return sum(planned.budget for planned in self.studies)

    @property
    def _settled(self) -> int:
        return sum(search.study.settled for search in self._searches)

    @property
    def _complete(self) -> bool:
        """Whether every method has had its whole budget; presets of less would not be fair."""
        return self._settled >= self._budget

    def _tell(self, trial: Running, score: float | None) -> None:
        click.echo(f"[{self._settled}/{self._budget}] {record.trial_line(trial, score)}")

    def _write_presets(self) -> list[str]:
        """Write them; what to say about it."""
        changes = []
        for search in self._searches:
            best, tried = search.study.best(), plural(search.study.settled, "trial")
            if best is not None and best.values:
                found = f"best of {tried}, {self.spec.selection} {best.score:.4f}"
                by = f"{self.name}: {found}, {now()[:10]}"
                preset = Preset(dict(search.target), best.values, by)
                changes.append((preset, self._before[study_title(search.target)]))
        if not changes:
            return []
        path = preset_path(self._conf_folder, self.env)
        was_there = path.exists()
        write_presets(path, [preset for preset, _ in changes])
        return record.change_lines(changes, str(short(path)), was_there=was_there)

    def _write_record(self, *, ended: bool) -> None:
        facts = {
            "id": self.name,
            "env": self.env,
            "command": self._command,
            "selection": self.spec.selection,
            "sampler": self.spec.sampler,
            "trials": self.spec.trials,
            "seeds": list(self.spec.seeds),
            "space": self.spec.space,
        }
        studies = [record.study_record(search.target, search.study) for search in self._searches]
        record.write_record(self._record, facts, studies, ended=ended)

    def _close_group(self, status: Status) -> None:
        metrics = {"trials": self._budget, "trials.done": self._settled}
        self._group.close(status, metrics, [self._record])

    def _say_end(self, status: Status, changes: Sequence[str]) -> None:
        from rich.console import Console

        Console(highlight=False).print(record.tuning_table(self._searches))
        if status == "KILLED":
            click.echo("stopped; the same command goes on from what is finished")
        elif not self._complete:
            left = self._budget - self._settled
            click.echo(
                f"no presets are written: {left} of {self._budget} trials failed through no fault"
                " of their settings; the same command tries them again"
            )
        for line in changes:
            click.echo(line)
        if changes:
            if self.spec.selection == "dev":
                click.echo("chosen on dev: dev scores of runs with these presets are optimistic")
            elif self._cell.params.teacher.finetuned:
                click.echo("the teacher was brought fine-tuned and may have seen the holdout")
        click.echo(f"record: {short(self._record)}")
        for line in self._group.lines(self._best_students()):
            click.echo(line)

    def _best_students(self) -> list[Path]:
        found = [(s, best) for s in self._searches if (best := s.study.best()) is not None]
        cells = [cell for s, best in found for cell in s.maker.cells(s.target, best.values)]
        return [cell.student.path for cell in cells]


def _hear(event: Event) -> None:
    """Say how jobs ended that are no trial; trials are told with their scores."""
    if event.outcome is not None and event.job.to_outputs != ("student",):
        click.echo(outcome_line(event.outcome))


def refuse_seeds(only: Mapping[str, Any]) -> None:
    """Refuse a choice of seeds: a study has all of them."""
    for name in ("seed", "teacher_seed"):
        if name in only:
            raise UserError(f"--only {name}=...: a study is chosen by task, method and layers")
