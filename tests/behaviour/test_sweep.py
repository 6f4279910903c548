"""`kedro sweep` on a real small grid: failures, kills, two at once, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml
from tests.conftest import Kedro
from tests.projects import configure, copied_project

WORKER = "alpkd_pipeline.experiments.worker"
SMALL = {
    "tasks": ["demo"],
    "methods": ["no_kd", "kd"],
    "layers": [2, 1],
    "seeds": [0],
    "params": {"task.train_rows": 200, "training.epochs": 1, "teacher.training.epochs": 1},
    "measure": False,
}
LONG = {**SMALL, "methods": ["kd"], "params": {**SMALL["params"], "training.epochs": 40}}
"""Two students that are trained for some time."""


class Project:
    """A copy of the project with a grid of its own."""

    def __init__(self, root: Path) -> None:
        self.root = copied_project(root, tracking="off")
        self.store = root / "data"
        self.grid(SMALL)

    def grid(self, spec: dict) -> None:
        (self.root / "conf" / "base" / "sweep.yml").write_text(yaml.safe_dump(spec))

    def start(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "sweep", *options],
            cwd=self.root,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def sweep(self, *options: str, code: int = 0) -> str:
        """The output of a sweep that ends by itself."""
        process = self.start(*options)
        said, errors = process.communicate(timeout=400)
        assert process.returncode == code, said + errors
        assert "Traceback" not in said + errors
        return said

    def finished(self) -> dict[str, int]:
        """Every manifest of a finished result and when it was written."""
        manifests = self.store.glob("0[67]_*/*/*/*/manifest.json")
        # A work folder has its manifest for the moment before it is renamed.
        found = [path for path in manifests if path.parent.suffix != ".work"]
        return {str(path.relative_to(self.store)): path.stat().st_mtime_ns for path in found}

    def students(self) -> list[str]:
        return sorted(Path(name).parent.name for name in self.finished() if "/students/" in name)

    def workers(self) -> list[psutil.Process]:
        """The worker processes of this project."""
        return [
            p
            for p in psutil.process_iter()
            if WORKER in (line := _line(p)) and str(self.root) in line
        ]

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted((self.root / "logs").glob("*")))


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path / "project")
    yield made
    for process in made.workers():
        process.kill()


def wait_until(holds: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)


def training(project: Project) -> bool:
    """Whether a student is in the middle of its training."""
    event_logs = project.store.glob("06_models/students/*/*.work/events.jsonl")
    return any('"event": "step"' in path.read_text() for path in event_logs)


def record(project: Project) -> dict:
    (*_, last) = sorted((project.store / "08_reporting" / "sweeps").glob("*.json"))
    return json.loads(last.read_text())


@pytest.mark.slow
def test_a_grid_is_made_once_and_then_reported_from_what_is_there(project: Project) -> None:
    said = project.sweep("--workers=2")
    assert "4 experiments: 0 done, 0 stale, 4 to do" in said
    assert len(project.students()) == 4
    assert "[1/6] done: demo teacher t0" in said
    assert [experiment["state"] for experiment in record(project)["cells"]] == ["done"] * 4
    report = next(line for line in said.splitlines() if line.startswith("report: "))
    assert (project.root / report.removeprefix("report: ")).is_file()
    before = project.finished()

    began = time.monotonic()
    again = project.sweep("--workers=2")
    assert time.monotonic() - began < 30  # no torch, no training: about 2 s on a quiet machine
    assert "4 experiments: 4 done, 0 stale, 0 to do" in again
    assert "done:" not in again
    assert project.finished() == before
    assert not project.workers()


@pytest.mark.slow
def test_experiments_that_fail_leave_the_others_alone(project: Project) -> None:
    # Far too high a learning rate: the loss is no number any more, and the training refuses.
    rule = {"where": {"method": "kd", "layers": 2}, "set": {"training.lr": 1.0e30}}
    project.grid({**SMALL, "overrides": [rule]})
    said = project.sweep("--workers=2", "--no-report", code=1)
    assert len(project.students()) == 3
    (line,) = (line for line in said.splitlines() if line.startswith("failed: demo kd 2L s0"))
    assert "[log: logs/sweep-worker-" in line
    states = Counter(experiment["state"] for experiment in record(project)["cells"])
    assert states == {"done": 3, "failed": 1}


@pytest.mark.slow
def test_a_killed_sweep_leaves_nobody_and_repeats_nothing(project: Project) -> None:
    project.grid({**LONG, "methods": ["no_kd", "kd"]})
    killed = project.start("--workers=1")
    wait_until(lambda: len(project.students()) >= 1 and training(project))
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate()
    wait_until(lambda: not project.workers(), seconds=30)
    before = project.finished()
    project.sweep("--workers=2", "--no-report")
    after = project.finished()
    assert len(project.students()) == 4
    assert {name: after[name] for name in before} == before


@pytest.mark.slow
def test_the_run_of_a_killed_sweep_is_closed_and_that_of_a_running_one_is_not(
    project: Project, kedro: Kedro
) -> None:
    database = project.root / "mlflow.db"
    configure(project.root, tracking=f"sqlite:///{database}")

    def sweeps() -> list[str]:
        with sqlite3.connect(database) as connection:
            found = connection.execute(
                "select status from runs join tags using (run_uuid)"
                " where key = 'stage' and value = 'sweep' order by start_time"
            )
            return [status for (status,) in found]

    def killed(before: int) -> None:
        """A sweep that a sync beside it leaves alone, and that is killed then."""
        sweep = project.start("--workers=1", "--no-report")
        wait_until(lambda: training(project))
        wait_until(lambda: sweeps() == ["KILLED"] * before + ["RUNNING"])
        beside = kedro("sync", cwd=project.root)
        assert beside.returncode == 0, beside.stderr
        assert sweeps() == ["KILLED"] * before + ["RUNNING"]
        assert sweep.poll() is None
        os.killpg(sweep.pid, signal.SIGKILL)
        sweep.communicate()
        wait_until(lambda: not project.workers(), seconds=30)
        assert sweeps()[-1] == "RUNNING"

    endless = {**LONG["params"], "training.epochs": 4000}
    project.grid({**LONG, "layers": [1], "params": endless})
    killed(0)
    done = kedro("sync", cwd=project.root)
    assert done.returncode == 0, done.stderr
    assert "has ended, its run is KILLED now" in done.stdout
    assert sweeps() == ["KILLED"]
    killed(1)
    project.grid({**SMALL, "methods": ["no_kd"], "layers": [1]})
    project.sweep("--workers=1", "--no-report")
    assert sweeps() == ["KILLED", "KILLED", "FINISHED"]


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_its_experiment_tried_again(project: Project) -> None:
    project.grid(LONG)
    running = project.start("--workers=1", "--no-report")
    wait_until(lambda: training(project))
    (worker,) = project.workers()
    worker.kill()
    said, errors = running.communicate(timeout=300)
    assert running.returncode == 0, said + errors
    assert len(project.students()) == 2


@pytest.mark.slow
def test_two_sweeps_at_once_train_nothing_twice(project: Project) -> None:
    configure(project.root, tracking=f"sqlite:///{project.root / 'mlflow.db'}")
    both = [project.start("--workers=1", "--no-report") for _ in range(2)]
    for process in both:
        said, errors = process.communicate(timeout=400)
        assert process.returncode == 0, said + errors
    with sqlite3.connect(project.root / "mlflow.db") as connection:
        rows = connection.execute("select name, status from runs where name like 'demo-%'")
        runs = Counter(rows.fetchall())
    assert len(runs) == 5
    assert set(runs.values()) == {1}
    assert {status for _, status in runs} == {"FINISHED"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_sweep_ends_soon_and_leaves_no_process(
    project: Project, number: signal.Signals, code: int
) -> None:
    database = project.root / "mlflow.db"
    configure(project.root, tracking=f"sqlite:///{database}")
    project.grid(LONG)
    running = project.start("--workers=2")
    wait_until(lambda: training(project) and tracked(database) >= 2)
    began = time.monotonic()
    running.send_signal(number)
    said, errors = running.communicate(timeout=60)
    assert time.monotonic() - began < 30
    assert running.returncode == code, said + errors
    assert "Traceback" not in said + errors
    assert not project.workers()
    assert "interrupted: demo kd" in said
    assert "record: " in said
    states = {experiment["state"] for experiment in record(project)["cells"]}
    assert states <= {"interrupted", "not run"}
    with sqlite3.connect(database) as connection:
        rows = connection.execute("select status from runs where name like 'demo-12to%'")
        assert {status for (status,) in rows} == {"KILLED"}


def tracked(database: Path) -> int:
    """How many runs MLflow knows."""
    if not database.exists():
        return 0
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        try:
            return connection.execute("select count(*) from runs").fetchone()[0]
        except sqlite3.Error:
            return 0
