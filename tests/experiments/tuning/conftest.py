"""A search on the demo, and an engine that publishes students without training them."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.experiments.jobs import DONE, Job, answer
from alpkd_pipeline.experiments.tuning.plan import ExperimentMaker
from alpkd_pipeline.experiments.tuning.spec import TuneSpec
from alpkd_pipeline.experiments.tuning.study import open_storage
from alpkd_pipeline.project.check import check
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.store.artifact import Artifact
from alpkd_pipeline.store.manifest import seal, write_json

SMALL: Mapping[str, Any] = {
    "tasks": ["demo"],
    "methods": ["no_kd", "kd"],
    "layers": [2],
    "trials": 3,
    "space": {"training.lr": [1e-4, 2e-4, 4e-4], "method.eta": [0.2, 0.8]},
}

Maker = Callable[..., ExperimentMaker]


@pytest.fixture
def maker(load: Load) -> Maker:
    """Makes experiments of SMALL with other entries of tune.yml."""

    def make(params: dict[str, Any] | None = None, /, **entries: Any) -> ExperimentMaker:
        loader = load(params)
        conf, given = loader.conf, loader.runtime_params
        return ExperimentMaker(
            TuneSpec.parse({**SMALL, **entries}), conf, given, None, PROJECT, "tune-x"
        )

    return make


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Optuna's database without a study; making one takes a second."""
    path = tmp_path_factory.mktemp("optuna") / "optuna.db"
    open_storage(path)
    return path


@pytest.fixture
def database(empty_database: Path, tmp_path: Path) -> Path:
    """A database of the test's own."""
    return Path(shutil.copy(empty_database, tmp_path / "optuna.db"))


def publish(stage: Artifact, files: Mapping[str, Any] | None = None) -> None:
    """A finished result, as if it had been made."""
    stage.path.mkdir(parents=True)
    for name, content in (files or {}).items():
        write_json(stage.path / name, content)
    facts = {"stage": stage.name, "key": stage.key, "made_from": stage.made_from}
    seal(stage.path, facts)


def publish_student(experiment: Experiment, score: float, selection: str = "holdout") -> None:
    """A finished student with a score on the rows that chose its best epoch."""
    scores = {selection: {experiment.task.metrics[0]: score}}
    publish(experiment.student, {"metrics.json": {"scores": scores, "seconds": 2.0}})


class PretendingEngine:
    """Publishes what it is asked for; a student's score is its learning rate times 1,000.

    Args:
        slots: how many jobs run at once.
        failing: parts of the names of jobs whose training diverges.
        broken: parts of the names of jobs that fail through no fault of their settings.
        stop_at: the call that acts as if somebody had pressed Ctrl-C.
    """

    def __init__(
        self,
        slots: int = 1,
        failing: Iterable[str] = (),
        stop_at: int | None = None,
        broken: Iterable[str] = (),
    ) -> None:
        self.slots, self.jobs = slots, list[Job]()
        self._failing, self._broken, self._stop_at = tuple(failing), tuple(broken), stop_at
        self._lock, self._stop = threading.Lock(), threading.Event()

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        with self._lock:
            self.jobs.append(job)
            stopped = len(self.jobs) == self._stop_at
        if stopped:
            os.kill(os.getpid(), signal.SIGINT)
            self._stop.wait(10)
            return answer("interrupted", "stopped")
        if any(part in job.name for part in self._failing):
            return answer("diverged", "loss became nan")
        if any(part in job.name for part in self._broken):
            return answer("failed", "no space left on device")
        experiment = Experiment(check(dict(job.params)), PROJECT)
        for name in job.to_outputs:
            assert experiment.stage(name).key == job.expect[name]
            if name == "student":
                publish_student(experiment, experiment.params.training.lr * 1000)
            else:
                publish(experiment.stage(name))
        return DONE

    def stop(self) -> None:
        """Let the call return that waits to be stopped."""
        self._stop.set()

    def names(self) -> list[str]:
        """The jobs that were called, by name."""
        return [job.name for job in self.jobs]
