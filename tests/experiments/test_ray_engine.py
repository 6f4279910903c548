"""Ray on this machine; the whole of a sweep on it, and a worker that is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from tests.conftest import Kedro
from tests.projects import copied_project

from alpkd_pipeline.experiments.jobs import EngineLostError, Job
from alpkd_pipeline.experiments.ray_engine import RayEngine

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("one_ray_at_a_time")]

IMPOSSIBLE = Job("x", "distill", ("student",), {"nothing": 1})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return copied_project(tmp_path / "project", tracking="off")


def write_grid(project: Path, epochs: int, **more: object) -> None:
    grid = {
        "tasks": ["demo"],
        "methods": ["no_kd", "kd"],
        "layers": [1],
        "seeds": [0, 1],
        "teacher_seeds": [0],
        "measure": False,
        "params": {
            "task.train_rows": 200,
            "teacher.training.epochs": 1,
            "training.epochs": epochs,
            "training.log_every": 1,
        },
        **more,
    }
    (project / "conf" / "base" / "sweep.yml").write_text(yaml.safe_dump(grid))


def students(project: Path) -> dict[str, int]:
    """Finished students and when they were published."""
    found = (project / "data").glob("06_models/students/demo/*/manifest.json")
    return {p.parent.name: p.stat().st_mtime_ns for p in found if p.parent.suffix != ".work"}


def record(project: Path) -> dict:
    (newest,) = sorted((project / "data").glob("08_reporting/sweeps/*.json"))[-1:]
    return json.loads(newest.read_text())


def test_a_grid_runs_on_ray_and_is_done_for_the_local_engine_too(
    project: Path, kedro: Kedro
) -> None:
    write_grid(project, epochs=1)
    done = kedro("sweep", "--engine=ray", "--workers=2", "--no-report", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    there = students(project)
    assert len(there) == 4
    # The keys are those that a local sweep plans with, so there is nothing left for it.
    again = kedro("sweep", "--engine=local", "--no-report", cwd=project)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "4 experiments: 4 done" in again.stdout
    assert students(project) == there
    assert list((project / "logs").glob("ray-*/sweep-worker-1.log"))


def start(project: Path) -> subprocess.Popen[str]:
    arguments = ["sweep", "--engine=ray", "--workers=2", "--no-report"]
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def actor_that_trains(sweep: subprocess.Popen[str], project: Path) -> psutil.Process:
    """An actor whose worker process writes the event log of a student."""
    for _ in range(1200):
        works = (project / "data").glob("06_models/students/demo/*.work/events.jsonl")
        if any(path.read_text().count('"step"') > 3 for path in works):
            break
        assert sweep.poll() is None, sweep.communicate()[0]
        time.sleep(0.1)
    for process in psutil.Process(sweep.pid).children(recursive=True):
        parent = process.parent()
        if "alpkd_pipeline.experiments.worker" in process.cmdline() and parent is not None:
            return parent
    pytest.fail("no worker process is below the sweep")


def test_a_killed_actor_costs_one_attempt_and_harms_nothing_else(project: Path) -> None:
    write_grid(project, epochs=30)
    sweep = start(project)
    actor_that_trains(sweep, project).kill()
    said, _ = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, said
    assert len(students(project)) == 4
    assert {experiment["state"] for experiment in record(project)["cells"]} == {"done"}


@pytest.fixture
def engine(project: Path) -> Iterator[RayEngine]:
    made = RayEngine(project, None, 1)
    yield made
    made.stop()


def test_a_bad_job_is_one_line_and_the_slot_goes_on(engine: RayEngine) -> None:
    first, second = (engine.call(0, IMPOSSIBLE) for _ in range(2))
    assert first["state"] == second["state"] == "failed"
    assert "unknown parameter 'nothing'" in first["error"]
    assert "ray-1/sweep-worker-1.log" in first["error"]


def test_after_stop_nothing_runs_and_nothing_is_left(project: Path) -> None:
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    engine = RayEngine(project, None, 1)
    engine.call(0, IMPOSSIBLE)
    engine.stop()
    engine.stop()
    assert engine.call(0, IMPOSSIBLE)["state"] == "interrupted"
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    _, alive = psutil.wait_procs(left, timeout=20)
    assert alive == []


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_gpu_that_is_not_there_is_refused_and_not_waited_for(project: Path, share: float) -> None:
    if os.path.exists("/dev/nvidia0"):
        pytest.skip("this machine has a GPU")
    engine = RayEngine(project, None, 2, gpus_per_experiment=share)
    with pytest.raises(EngineLostError, match=f"2 workers need {2 * share:g} GPUs and Ray has 0"):
        engine.call(0, IMPOSSIBLE)
    engine.stop()


def test_ray_does_not_start_before_the_first_job(project: Path) -> None:
    before = psutil.Process().children()
    engine = RayEngine(project, None, 3)
    assert engine.slots == 3
    assert psutil.Process().children() == before
    engine.stop()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "auto"])
def test_a_cluster_that_is_not_there_is_one_line(project: Path, address: str) -> None:
    engine = RayEngine(project, None, 1, address=address)
    with pytest.raises(EngineLostError) as found:
        engine.call(0, IMPOSSIBLE)
    engine.stop()
    assert str(found.value).startswith(f"--engine ray: Ray {address} cannot be reached")
    assert "\n" not in str(found.value)
