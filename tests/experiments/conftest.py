"""The demo as a small grid, results that were never trained, and engines that do no work."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from tests.project import conftest as configuration
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.experiments.grid import GridPoint, SweepSpec, expand
from alpkd_pipeline.experiments.jobs import DONE, Job, answer
from alpkd_pipeline.experiments.plan import Plan, make_plan
from alpkd_pipeline.experiments.sweep import Sweep
from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.project.experiment import TRAINING_LIBRARIES, Experiment
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.manifest import seal, write_json

load = configuration.load

SMALL: Mapping[str, Any] = {
    "tasks": ["demo"],
    "methods": ["no_kd", "kd", "alp_kd"],
    "layers": [2, 1],
    "seeds": [0, 1],
}

Grid = Callable[..., list[GridPoint]]
MakeSweep = Callable[..., Sweep]


@pytest.fixture
def grid(load: Load) -> Grid:
    """Experiments of SMALL with other entries of sweep.yml, and parameters as from the command
    line.
    """

    def make(params: dict[str, Any] | None = None, /, **entries: Any) -> list[GridPoint]:
        loader = load(params)
        conf = loader.conf
        return expand(
            SweepSpec.parse({**SMALL, **entries}), conf, PROJECT, None, loader.runtime_params
        )

    return make


@pytest.fixture
def plan(grid: Grid) -> Callable[..., Plan]:
    """The plan of such experiments."""

    def make(params: dict[str, Any] | None = None, /, **entries: Any) -> Plan:
        return make_plan(grid(params, **entries), measure=bool(entries.get("measure", True)))

    return make


@pytest.fixture
def sweep(tmp_path: Path) -> MakeSweep:
    """A sweep over a copy of conf/ with SMALL as its grid."""
    conf = tmp_path / "conf"
    shutil.copytree(PROJECT / "conf", conf, ignore=shutil.ignore_patterns("local"))
    (conf / "local").mkdir()
    (conf / "base" / "sweep.yml").write_text(yaml.safe_dump({**SMALL, "measure": False}))

    def make(*, report: bool = False, **run: Any) -> Sweep:
        given = {"run": {"store": str(tmp_path / "store"), "tracking": "off", **run}}
        loader = ExperimentConfigLoader(str(conf), runtime_params=given, **CONFIG_LOADER_ARGS)
        return Sweep(PROJECT, loader, None, {}, "kedro sweep", report=report)

    return make


@pytest.fixture
def one_ray_at_a_time() -> Iterator[None]:
    """The address `auto` joins any Ray of the machine, another test's too, and dies with it."""
    with FileLock(Path(tempfile.gettempdir()) / "alpkd-ray-tests.lock"):
        yield


def finish(experiment: Experiment, stage: str, files: Mapping[str, Any] | None = None) -> Path:
    """A finished result of an experiment with some JSON files, as if it had been made."""
    found = experiment.stage(stage)
    found.path.mkdir(parents=True)
    for name, content in (files or {}).items():
        write_json(found.path / name, content)
    facts = {"stage": found.name, "key": found.key, "made_from": found.made_from}
    seal(found.path, facts)
    return found.path


def finish_training(
    experiment: Experiment, stage: str, seconds: float = 10.0, rows: int = 100
) -> Path:
    """A finished training of 2 epochs."""
    run = {
        **run_facts(experiment, stage),
        "provenance": {"libraries": library_versions(TRAINING_LIBRARIES)},
    }
    metrics = {"seconds": seconds, "examples": 2 * rows, "epochs": 2}
    return finish(experiment, stage, {"run.json": run, "metrics.json": metrics})


def finish_experiment(experiment: Experiment, score: float = 0.5) -> None:
    """A student and its scores."""
    finish_training(experiment, "student")
    scores = {"splits": {"dev": {"scores": {"accuracy": score, "f1": score}}}}
    finish(experiment, "student_scores", {"scores.json": scores})


def job(name: str, *needs: str, exclusive: bool = False) -> Job:
    """A job about nothing."""
    return Job(name, "distill", ("student_scores",), {}, needs=needs, exclusive=exclusive)


class ToyEngine:
    """Answers at once, or as it is told; remembers what ran beside what.

    Args:
        slots: how many jobs may run at once.
        answers: by the name of a job, one answer per attempt; an exception is raised.
    """

    def __init__(self, slots: int = 2, **answers: list[Any]) -> None:
        self.slots, self.answers = slots, answers
        self.began: list[str] = []
        self.ended: list[str] = []
        self.beside: dict[str, set[str]] = {}
        self.wait_for: dict[str, threading.Event] = {}
        self.stopped = threading.Event()
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        with self._lock:
            self.began.append(job.name)
            for other in self._running:
                self.beside.setdefault(other, set()).add(job.name)
            self.beside[job.name] = set(self._running)
            self._running.add(job.name)
        try:
            return self._answer(job.name)
        finally:
            with self._lock:
                self._running.discard(job.name)
                self.ended.append(job.name)

    def _answer(self, name: str) -> Mapping[str, str]:
        if name in self.wait_for:
            assert self.wait_for[name].wait(10)
            if self.stopped.is_set():
                return answer("interrupted", "stopped")
        left = self.answers.get(name)
        found = left.pop(0) if left else DONE
        if isinstance(found, BaseException):
            raise found
        return found

    def stop(self) -> None:
        self.stopped.set()
        for event in self.wait_for.values():
            event.set()
