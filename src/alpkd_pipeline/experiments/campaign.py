"""What a sweep and a search have in common: from what was planned to the exit code.

However they end, their record and their MLflow run say so. MLflow away never stops them.
"""

from __future__ import annotations

import importlib.util
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from alpkd_pipeline.errors import UserError, short
from alpkd_pipeline.experiments.engines import LocalEngine, default_workers, gpus_for
from alpkd_pipeline.experiments.grid import CampaignSpec
from alpkd_pipeline.experiments.jobs import Engine
from alpkd_pipeline.experiments.ray_engine import RayEngine
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.project.params import RunParams
from alpkd_pipeline.store.layout import RECORDS, SEARCHES, SWEEPS
from alpkd_pipeline.store.manifest import lock_file, read_json, read_object, write_json
from alpkd_pipeline.store.unfinished import taken
from alpkd_pipeline.tracking.group import (
    CampaignKind,
    Status,
    close_abandoned,
    close_group,
    open_group,
    running_groups,
)
from alpkd_pipeline.tracking.links import group_lines
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

log = logging.getLogger(__name__)

EXIT_CODES: Mapping[Status, int] = {"FINISHED": 0, "FAILED": 1, "KILLED": 130}
FOLDERS: Mapping[CampaignKind, str] = {"sweep": SWEEPS, "search": SEARCHES}


def now() -> str:
    """The time as records have it, UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_record(path: Path, facts: Mapping[str, Any], *, ended: bool) -> None:
    """Write a record whole, so that readers never see half of it; when it was begun stays."""
    started = read_object(path).get("started") or now()
    write_json(path, {**facts, "started": started, "ended": now() if ended else None})


@dataclass(eq=False, repr=False)
class Campaign(ABC):
    """A sweep or a search. It is planned as it is made, and writes nothing before it is run."""

    kind: ClassVar[CampaignKind]
    spec: CampaignSpec = field(init=False)
    project: Path
    loader: ExperimentConfigLoader
    env: str | None
    only: Mapping[str, Any]
    command: str

    def _take(self, name: str, experiments: Sequence[Experiment], most: int) -> None:
        """Take a name; the experiments ask for all that the jobs need, which are at most `most`."""
        self.name, self._experiments, self._most = name, experiments, most
        self._console = Console(highlight=False, emoji=False)
        self._record = experiments[0].store / FOLDERS[self.kind] / f"{name}.json"
        self._files = {"record": self._record}
        self._group = TrackedGroup(experiments[0].params.run, name, self.project)

    def tell_plan(self, engine: str, workers: int | None) -> int:
        """Say what is to be done, and how long it may take; gives 0. Nothing is written."""
        self._say(self._plan_lines(self.engine(engine, workers).slots, dry_run=True))
        return 0

    def run(self, engine: str, workers: int | None) -> int:
        """Make what is missing and tell of it; gives 0, 1 if anything failed, 130 if stopped.

        Raises UserError while another process is at the same.
        """
        chosen = self.engine(engine, workers)
        self._say(self._plan_lines(chosen.slots, dry_run=False))
        with self._held():
            status = self._to_its_end(chosen)
            students = self._say_end(status)
            self._say(f"{what}: {short(file)}" for what, file in self._files.items())
            self._say(self._group.lines(students))
        return EXIT_CODES[status]

    def _to_its_end(self, engine: Engine) -> Status:
        """Do the work; however it ends, its record is written and its run in MLflow closed."""
        status: Status = "FAILED"
        try:
            try:
                self._write_record(ended=False)
                status = self._work(engine)
            finally:
                engine.stop()
        except KeyboardInterrupt:  # all else is raised
            status = "KILLED"
        finally:
            try:
                self._write_record(ended=self._has_ended(status))
            finally:  # the disk may be full
                self._group.close(status, self._metrics(), [*self._files.values()])
        return status

    def _open_group(self, what: str) -> None:
        self._group.open(self.kind, f"{what} by `{self.command}`", self.spec.plain())

    def _write_record(self, *, ended: bool) -> None:
        facts = {"id": self.name, "env": self.env, "command": self.command, **self._facts()}
        write_record(self._record, facts, ended=ended)

    def engine(self, name: str, workers: int | None) -> Engine:
        """The engine `local` or `ray`, not started yet; call its `stop` in any case.

        Without `workers` as many jobs run at once as this machine has room for; never more than
        there are.
        """
        params = [experiment.params for experiment in self._experiments]
        blocks = [block for p in params for block in (p.training, p.teacher.training)]
        gpus = gpus_for(block.device for block in blocks)
        threads = (block.threads for block in blocks)
        count = workers or default_workers(gpus, self.spec.experiments_per_gpu, threads)
        count = max(1, min(count, self._most))
        if name == "local":
            return LocalEngine(self.project, self.env, count, gpus=gpus)
        if importlib.util.find_spec("ray") is None:
            remedy = "pip install -c constraints.txt '.[ray]'"
            raise UserError(f"--engine ray needs the extra [ray]: {remedy}")
        given = self.spec.ray.gpus_per_experiment, self.spec.ray.address
        return RayEngine(self.project, self.env, count, *given, say=self._tell)

    def _say(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._tell(line)

    def _tell(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    @abstractmethod
    def _plan_lines(self, slots: int, *, dry_run: bool) -> Iterable[str]:
        """What to say of the plan and so many workers, before it is run or instead."""

    @abstractmethod
    def _held(self) -> AbstractContextManager[None]:
        """Keeps other processes from the same while it runs."""

    @abstractmethod
    def _work(self, engine: Engine) -> Status:
        """Make what is missing, in MLflow below the run that `_open_group` makes."""

    def _has_ended(self, _status: Status) -> bool:
        """Whether nothing is left with which the same command would go on."""
        return True

    @abstractmethod
    def _facts(self) -> dict[str, Any]:
        """What the record says beside the name, the command and the times."""

    @abstractmethod
    def _metrics(self) -> dict[str, float]:
        """What MLflow shows of the whole."""

    @abstractmethod
    def _say_end(self, status: Status) -> list[Path]:
        """Say what came of it; gives the students that are worth a look in MLflow."""


class TrackedGroup:
    """A run that groups those of its name; without tracking or MLflow it does nothing."""

    def __init__(self, run: RunParams, name: str, project: Path) -> None:
        self.settings = tracking_settings(run.tracking, run.experiment, project)
        self._name, self._open = name, False
        self._store = (project / Path(run.store).expanduser()).resolve()

    def open(self, kind: CampaignKind, description: str, params: Mapping[str, Any]) -> None:
        """Make the run, and with it MLflow's database before several workers want it.

        Runs of earlier sweeps and searches that were killed are closed.
        """
        if found := self.settings:
            with _faults_as_warnings():
                open_group(found, self._name, kind=kind, description=description, params=params)
                self._open = True
                close_left(self._store, found)

    def close(
        self, status: Status, metrics: Mapping[str, float], files: Sequence[Path] = ()
    ) -> None:
        """Say how it ended."""
        if self.settings and self._open:
            with _faults_as_warnings():
                close_group(self.settings, self._name, status=status, metrics=metrics, files=files)

    def lines(self, students: Sequence[Path]) -> list[str]:
        """What to print about where the students can be seen, the first ones side by side."""
        if self.settings is None:
            return []
        found = group_lines(self.settings, self._name, students)
        return [*found, f"mlflow: {self.settings.ui_command}"]


@contextmanager
def _faults_as_warnings() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        log.warning("%s", error)


def close_left(store: Path, settings: TrackingSettings) -> list[str]:
    """Close the runs of sweeps and searches whose process is gone; nobody holds their lock.

    Those of which this store has no record belong to others. Returns one line for each.
    """
    records = [path for place in RECORDS for path in (store / place).glob("[!.]*.json")]
    running = running_groups(settings) if records else frozenset()
    closed = []
    for path in sorted(path for path in records if path.stem in running):
        # Where no lock can be taken, nothing is known of who runs.
        with suppress(OSError), taken(lock_file(path.with_suffix(""))) as gone:
            # Under the lock: a search may be taken up again at any moment.
            status = _status(path) if gone else None
            if status and close_abandoned(settings, path.stem, status):
                closed.append(f"{path.stem} has ended, its run is {status} now")
    return closed


def _status(record: Path) -> Status | None:
    """How a sweep or search ended, by its record; None if that cannot be read."""
    try:
        found: Mapping[str, Any] = read_json(record)
        states = {str(job["state"]) for job in found.get("jobs", ())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if found.get("ended") is None:
        return "KILLED"
    if states <= {"done"}:
        return "FINISHED"
    return "FAILED" if "failed" in states else "KILLED"
