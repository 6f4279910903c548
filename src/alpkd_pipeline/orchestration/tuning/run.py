"""A search from its configuration to the presets that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
from alpkd_pipeline.orchestration.parameters import study_title
from alpkd_pipeline.orchestration.presets import Preset, preset_path, write_presets
from alpkd_pipeline.orchestration.sweep.campaign import Campaign, now
from alpkd_pipeline.orchestration.sweep.estimate import outcome_line
from alpkd_pipeline.orchestration.sweep.jobs import Engine, Event
from alpkd_pipeline.orchestration.tuning import record
from alpkd_pipeline.orchestration.tuning.plan import CellMaker, plan_studies, search_id
from alpkd_pipeline.orchestration.tuning.search import Running, Search, held, run_search
from alpkd_pipeline.orchestration.tuning.spec import TuneSpec, check_not_searched
from alpkd_pipeline.orchestration.tuning.study import Study, open_storage, settled_trials
from alpkd_pipeline.program import short
from alpkd_pipeline.tracking.group import Status


class Tuning(Campaign):
    """A search of the studies that `only` chooses, perhaps with another budget each.

    Running it writes the presets. It fails if a study finds nothing, or a trial fails through no
    fault of its settings.
    """

    kind = "search"
    spec: TuneSpec

    def __init__(
        self,
        project: Path,
        loader: CellConfigLoader,
        env: str | None,
        only: Mapping[str, Any],
        trials: int | None,
        command: str,
    ) -> None:
        super().__init__(project, loader, env, command)
        conf, on_top = loader.conf, loader.runtime_params or {}
        spec = TuneSpec.read(loader.folders)
        self.spec = spec.model_copy(update={"trials": trials}) if trials else spec
        check_not_searched(self.spec, on_top, "--params")
        name = search_id(self.spec, env, on_top)
        self._maker = CellMaker(self.spec, conf, on_top, env, project, name)
        self.studies = plan_studies(self._maker, only)
        cells = [cell for study in self.studies for cell in study.sample]
        self._take(name, cells, self._budget * len(self.spec.seeds))
        self._database = self._record.with_name(record.DATABASE)
        self._before = {study_title(s.target): record.now_set(conf, s.target) for s in self.studies}
        self._searches: list[Search] = []

    def _plan_lines(self, slots: int, *, dry_run: bool) -> Iterator[str]:
        if dry_run:
            tried = [min(settled_trials(self._database, s.name), s.budget) for s in self.studies]
            yield from record.plan_lines(self.studies, tried, len(self.spec.seeds))
            yield record.estimate_line(self.studies, tried, slots)

    @contextmanager
    def _held(self) -> Iterator[None]:
        names = [self.name, *(study.name for study in self.studies)]
        with held(self._record.parent, names):
            storage = open_storage(self._database)
            for planned in self.studies:
                metric = planned.sample[0].task.deciding_metric
                study = Study(
                    storage, planned.name, planned.space, self.spec.sampler, planned.budget, metric
                )
                self._searches.append(Search(planned.target, study, self._maker))
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
    def _budget(self) -> int:
        return sum(planned.budget for planned in self.studies)

    @property
    def _settled(self) -> int:
        return sum(search.study.settled for search in self._searches)

    @property
    def _complete(self) -> bool:
        """Whether every method has had its whole budget; presets of less would not be fair."""
        return self._settled >= self._budget

    def _tell_trial(self, trial: Running, score: float | None) -> None:
        self._tell(f"[{self._settled}/{self._budget}] {record.trial_line(trial, score)}")

    def _hear(self, event: Event) -> None:
        """Say how jobs ended that are no trial; trials are told with their scores."""
        if event.outcome is not None and event.job.to_outputs != ("student",):
            self._tell(outcome_line(event.outcome))

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
        path = preset_path(Path(self._loader.conf_source), self.env)
        was_there = path.exists()
        write_presets(path, [preset for preset, _ in changes])
        return record.change_lines(changes, str(short(path)), was_there=was_there)

    def _facts(self) -> dict[str, Any]:
        return record.facts(self.spec, self._record, self._searches)

    def _metrics(self) -> dict[str, float]:
        return {"trials": self._budget, "trials.done": self._settled}

    def _say_end(self, status: Status) -> None:
        changes = self._write_presets() if self._has_ended(status) else []
        self._console.print(record.tuning_table(self._searches))
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
        elif changes and self._cells[0].params.teacher.finetuned:
            self._tell("the teacher was brought fine-tuned and may have seen the holdout")

    def _students(self) -> list[Path]:
        """Those of the best trials."""
        found = [(s, best) for s in self._searches if (best := s.study.best()) is not None]
        cells = [cell for s, best in found for cell in s.maker.cells(s.target, best.values)]
        return [cell.student.path for cell in cells]


def refuse_seeds(only: Mapping[str, Any]) -> None:
    """Refuse a choice of seeds: a study has all of them."""
    for name in ("seed", "teacher_seed"):
        if name in only:
            raise UserError(f"--only {name}=...: a study is chosen by task, method and layers")
