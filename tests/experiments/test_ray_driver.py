"""Machines that are lost: a cluster of several raylets on 127.0.0.1, of which some are killed.

Only the worker process is a stand-in: it does what a job's name says, and writes down where.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.experiments.conftest import job
from tests.experiments.test_ray_engine import record, students, write_grid
from tests.projects import copied_project

import alpkd_pipeline
from alpkd_pipeline.experiments import ray_engine
from alpkd_pipeline.experiments.jobs import EngineLostError, Event, Outcome, run_jobs
from alpkd_pipeline.experiments.ray_engine import RayEngine

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("one_ray_at_a_time")]

STAND_IN = """
import json, os, signal, sys, time
import psutil
for line in sys.stdin:
    name = json.loads(line)["name"]
    # An actor may outlive the raylet of a machine that was lost, and still do a job.
    raylet = next((p for p in psutil.Process().parents() if p.name() == "raylet"), None)
    with open("ran.txt", "a") as log:
        log.write(f"{name} {raylet.pid if raylet else 0} {os.getppid()}\\n")
    if name.startswith("poison"):
        raylet.kill()
        time.sleep(60)
    if name == "hungry":
        time.sleep(0 if os.path.exists("fed") else open("fed", "w").close() or 60)
    if name.startswith("sleep"):
        time.sleep(float(name.split()[0].removeprefix("sleep")))
    print(json.dumps({"state": "done"}), flush=True)
"""

IMPATIENT = {
    "RAY_gcs_rpc_server_reconnect_timeout_s": "8",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
}
"""Whoever has lost the head gives up after 8 seconds and not 60; the head gives up a machine that
answers nothing after about 15 and not 70."""


class Machines:
    """A head that does no work, and machines with one processor each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._here: dict[str, Any] = {
            "node_ip_address": "127.0.0.1",
            "object_store_memory": 80 * 1024 * 1024,
        }
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={**self._here, "num_cpus": 0, "include_dashboard": False},
        )
        self.address: str = self._cluster.address
        self.head_processes = psutil.Process().children(recursive=True)

    def add(self, count: int) -> None:
        for _ in range(count):
            self._cluster.add_node(num_cpus=1, **self._here)

    def lose(self, raylet: int) -> None:
        """Kill all that belongs to a machine, known by the process id of its raylet."""
        (node,) = [
            node
            for node in self._cluster.worker_nodes
            if raylet in [p.process.pid for p in node.all_processes["raylet"]]
        ]
        self._cluster.remove_node(node, allow_graceful=False)

    def gcs(self) -> psutil.Process:
        return next(p for p in self.head_processes if p.name() == "gcs_server")

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machines]:
    # Ray would turn 127.0.0.1 into an address that others can reach.
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    from ray._private import ray_constants

    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", False)
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)
    made = Machines()
    yield made
    made.close()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose workers are stand-ins: what lies in its src/ comes first."""
    package = tmp_path / "project" / "src" / "alpkd_pipeline"
    shutil.copytree(Path(alpkd_pipeline.__file__).parent, package)
    (package / "experiments" / "worker.py").write_text(STAND_IN)
    return tmp_path / "project"


Make = Callable[..., RayEngine]


@pytest.fixture
def make(project: Path, machines: Machines) -> Iterator[Make]:
    made: list[RayEngine] = []

    def new(workers: int, say: Callable[[str], None] = lambda _line: None) -> RayEngine:
        made.append(RayEngine(project, None, workers, address=machines.address, say=say))
        return made[-1]

    yield new
    for engine in made:
        engine.stop()


class Running:
    """Jobs at work on an engine, in a thread."""

    def __init__(self, engine: RayEngine, *names: str) -> None:
        self.lost: EngineLostError | None = None
        self.outcomes: list[Outcome] = []
        self._jobs, self._engine = [job(name) for name in names], engine
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        def silent(_event: Event) -> None:
            return

        try:
            self.outcomes = run_jobs(self._jobs, self._engine, silent).outcomes
        except EngineLostError as error:
            self.lost = error

    def wait(self) -> dict[str, str]:
        self._thread.join(90)
        assert not self._thread.is_alive()
        return {outcome.job.name: outcome.state for outcome in self.outcomes}


def ran(project: Path) -> list[tuple[str, int, int]]:
    """Which jobs began, in their order: the name, the raylet and the actor."""
    log = project / "ran.txt"
    lines = [line.rsplit(" ", 2) for line in log.read_text().splitlines()] if log.exists() else []
    return [(name, int(raylet), int(actor)) for name, raylet, actor in lines]


def wait_until(there: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def raylet_of(project: Path, name: str) -> int:
    wait_until(lambda: name in [n for n, _, _ in ran(project)])
    return next(raylet for n, raylet, _ in ran(project) if n == name)


def test_a_sweep_ends_on_the_machines_that_are_left(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(3)
    names = [f"sleep3 {n}" for n in range(6)]
    running = Running(make(3), *names)
    machines.lose(raylet_of(project, names[1]))
    assert running.wait() == dict.fromkeys(names, "done")
    assert Counter(n for n, _, _ in ran(project)) == {**dict.fromkeys(names, 1), names[1]: 2}


def test_the_last_machine_is_lost_in_one_line(
    machines: Machines, make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_engine, "SAY_SECONDS", 2.0)
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 20.0)
    machines.add(1)
    said: list[str] = []
    running = Running(make(1, said.append), "a", "sleep60", "b")
    machines.lose(raylet_of(project, "sleep60"))
    running.wait()
    waited = re.search(r"no machine has had room for a worker for (\d+) s", str(running.lost))
    assert waited
    assert int(waited[1]) >= 20  # a busy machine looks later
    assert len(said) > 3
    assert "1 job waits for a machine with room, 0 of 1 workers are busy" in said[-1]
    assert [n for n, _, _ in ran(project)] == ["a", "sleep60"]


def test_a_machine_that_comes_later_is_used(machines: Machines, make: Make, project: Path) -> None:
    machines.add(2)
    running = Running(make(2), "sleep40", "sleep3 a", "sleep3 b", "sleep3 c")
    gone = raylet_of(project, "sleep3 a")
    machines.lose(gone)
    machines.add(1)
    assert set(running.wait().values()) == {"done"}
    assert len({raylet for _, raylet, _ in ran(project)}) == 3
    on = {n: raylet for n, raylet, _ in ran(project)}
    assert on["sleep3 a"] == on["sleep3 b"] == on["sleep3 c"] not in (gone, on["sleep40"])


def test_a_job_that_kills_its_machines_does_not_eat_the_cluster(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(3)
    running = Running(make(3), "poison", "sleep3 a", "sleep3 b", "c", "d")
    found = running.wait()
    assert found == {
        "poison": "failed",
        **dict.fromkeys(["sleep3 a", "sleep3 b", "c", "d"], "done"),
    }
    killed = [raylet for n, raylet, _ in ran(project) if n == "poison"]
    assert len(killed) == len(set(killed)) == 2
    (error,) = [o.error for o in running.outcomes if o.error]
    assert error.startswith("the worker process died (Ray: ")


def test_a_machine_lost_while_it_was_free_costs_no_attempt(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(2)
    engine = make(2)
    Running(engine, "sleep2 a", "sleep2 b").wait()
    machines.lose(raylet_of(project, "sleep2 a"))
    names = [f"after {n}" for n in range(4)]
    assert Running(engine, *names).wait() == dict.fromkeys(names, "done")
    assert Counter(n for n, _, _ in ran(project) if n in names) == dict.fromkeys(names, 1)


def test_a_machine_that_freezes_is_given_up(machines: Machines, make: Make, project: Path) -> None:
    machines.add(2)
    running = Running(make(2), "sleep20", "a", "b")
    frozen = psutil.Process(raylet_of(project, "sleep20"))
    whole = [frozen, *frozen.children(recursive=True)]
    for process in whole:
        process.suspend()
    first = time.monotonic()
    wait_until(lambda: [n for n, _, _ in ran(project)].count("sleep20") == 2)
    assert time.monotonic() - first < 60
    for process in whole:
        process.kill()
    assert running.wait()["sleep20"] == "done"


def test_a_worker_that_the_memory_monitor_kills_is_replaced(
    machines: Machines, make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks whenever a raylet starts and every 15 seconds from then on.
    monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")
    monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "15000")
    machines.add(1)
    assert Running(make(1), "hungry", "a").wait() == {"hungry": "done", "a": "done"}
    (first, second) = [actor for name, _, actor in ran(project) if name == "hungry"]
    assert first != second


def test_stop_ends_jobs_at_work_and_those_that_wait(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(1)
    engine = make(1)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(engine.call(0, job("sleep60"))["state"])),
        threading.Thread(target=lambda: found.append(engine.call(1, job("a"))["state"])),
    ]
    for thread in threads:
        thread.start()
        raylet_of(project, "sleep60")
    began = time.monotonic()
    engine.stop()
    for thread in threads:
        thread.join(10)
    assert time.monotonic() - began < 30
    assert sorted(found) == ["died", "interrupted"]  # the stand-in knows no SIGTERM
    assert [name for name, _, _ in ran(project)] == ["sleep60"]


def test_a_lost_head_is_one_line(machines: Machines, make: Make, project: Path) -> None:
    machines.add(1)
    running = Running(make(1), "sleep60", "a")
    raylet_of(project, "sleep60")
    machines.gcs().kill()
    running.wait()
    assert f"Ray {machines.address} is lost (its driver ended with exit code 1)" in str(
        running.lost
    )


def test_a_head_that_hangs_is_one_line_before_and_after_it_was_joined(
    machines: Machines, make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.add(1)
    joined = make(1)
    assert joined.call(0, job("a"))["state"] == "done"
    machines.gcs().send_signal(signal.SIGSTOP)
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 6.0)
    with pytest.raises(EngineLostError, match=r"cannot be reached \(no answer in 6 s\)"):
        make(1).call(0, job("b"))
    began = time.monotonic()
    joined.stop()
    assert time.monotonic() - began < 40


def test_an_actor_that_can_start_nowhere_says_why(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(1)
    engine = project / "src" / "alpkd_pipeline" / "experiments" / "engines.py"
    engine.write_text("raise ImportError('no such package here')")
    running = Running(make(1), "a")
    assert running.wait() == {"a": "failed"}
    (error,) = [outcome.error or "" for outcome in running.outcomes]
    assert "no such package here" in error
    assert "\n" not in error


def test_a_folder_of_logs_that_cannot_be_is_that_job_s_failure(
    machines: Machines, make: Make, project: Path
) -> None:
    machines.add(1)
    (project / "logs").mkdir()
    (project / "logs" / "ray-1").write_text("a file where the folder should be")
    running = Running(make(1), "a")
    assert running.wait() == {"a": "failed"}
    (error,) = [outcome.error or "" for outcome in running.outcomes]
    assert error.startswith("FileExistsError: ")


def test_a_real_sweep_ends_on_the_machines_that_are_left(
    machines: Machines, tmp_path: Path
) -> None:
    project = copied_project(tmp_path / "real", tracking="off")
    machines.add(3)
    write_grid(project, epochs=12, ray={"address": machines.address})
    sweep = subprocess.Popen(
        [sys.executable, "-m", "kedro", "sweep", "--engine=ray", "--workers=3", "--no-report"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    machines.lose(raylet_that_trains(sweep, project))
    said, _ = sweep.communicate(timeout=240)
    assert sweep.returncode == 0, said
    assert len(students(project)) == 4
    assert {step["state"] for step in record(project)["jobs"]} == {"done"}
    assert "raylet" not in said


def raylet_that_trains(sweep: subprocess.Popen[str], project: Path) -> int:
    """The raylet above the worker process that has the most to do, once students are trained."""

    def begun() -> bool:
        works = (project / "data").glob("06_models/students/demo/*.work/events.jsonl")
        return any('"step"' in path.read_text() for path in works) or sweep.poll() is not None

    wait_until(begun, seconds=240)
    assert sweep.poll() is None, sweep.communicate()[0]
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "alpkd_pipeline.experiments.worker" in process.cmdline()
    ]
    for process in workers:
        process.cpu_percent()
    time.sleep(1)
    busiest = max(workers, key=lambda process: process.cpu_percent())
    return next(p.pid for p in busiest.parents() if p.name() == "raylet")
