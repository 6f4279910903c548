"""The engine's patience, with a stand-in for the process that talks to Ray."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.experiments.conftest import job

from alpkd_pipeline.experiments import ray_engine
from alpkd_pipeline.experiments.jobs import EngineLostError, Event, run_jobs
from alpkd_pipeline.experiments.ray_engine import RayEngine

STAND_IN = """
import json, os, sys, time
def tell(**message):
    print(json.dumps(message), flush=True)
if "hung" in sys.argv[1]:
    time.sleep(60)
if "refused" in sys.argv[1]:
    tell(lost="--engine ray: nothing there")
    sys.exit()
tell(joined=True)
for line in sys.stdin:
    slot, name = (given := json.loads(line))["slot"], given["job"]["name"]
    if name.startswith("lost"):
        os._exit(1)
    if name.startswith("homeless"):
        continue
    tell(slot=slot, begun=True)
    if not name.startswith("long"):
        tell(slot=slot, answer={"state": "done", "pid": str(os.getpid())})
"""

Make = Callable[..., RayEngine]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]) -> Iterator[Make]:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(ray_engine, "DRIVER", "stand_in")
    monkeypatch.setattr(ray_engine, "SAY_SECONDS", 0.2)
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 1.0)
    made: list[RayEngine] = []

    def new(workers: int = 3, address: str | None = "head:6379") -> RayEngine:
        made.append(RayEngine(tmp_path, None, workers, address=address, say=said.append))
        return made[-1]

    yield new
    for engine in made:
        engine.stop()


def silent(_event: Event) -> None:
    return


def started() -> list[psutil.Process]:
    """This process's children, but for Python's own helper that outlives all pools of a process."""
    children = psutil.Process().children()
    return [one for one in children if not any("resource_tracker" in w for w in one.cmdline())]


def test_one_process_serves_all_slots_and_starts_with_the_first_job(
    make: Make, said: list[str]
) -> None:
    engine = make()
    assert not started()
    found = [engine.call(slot, job(name)) for slot, name in ((0, "a"), (2, "b"), (0, "c"))]
    assert {f["state"] for f in found} == {"done"}
    assert len({f["pid"] for f in found}) == 1
    assert said == []


def test_a_head_that_hangs_is_told_of_and_given_up(make: Make, said: list[str]) -> None:
    engine = make(address="hung:6379")
    began = time.monotonic()
    with pytest.raises(EngineLostError, match=r"Ray hung:6379 cannot be reached \(no answer in 1"):
        engine.call(0, job("a"))
    assert time.monotonic() - began < 5
    assert 2 <= len(said) <= 5
    assert said[0] == "--engine ray: waiting for Ray hung:6379 (0 s)"


def test_a_cluster_without_room_is_told_of_and_given_up(make: Make, said: list[str]) -> None:
    engine = make()
    assert engine.call(0, job("a"))["state"] == "done"
    with pytest.raises(EngineLostError) as lost:
        engine.call(1, job("homeless"))
    assert str(lost.value).startswith("--engine ray: no machine has had room for a worker for 1 s;")
    assert "1 job waits for a machine with room, 0 of 3 workers are busy" in said[0]
    # What is lost stays lost: nothing waits another five minutes for each job that is left.
    again = time.monotonic()
    with pytest.raises(EngineLostError):
        engine.call(0, job("a"))
    assert time.monotonic() - again < 0.5


@pytest.mark.parametrize("address", ["refused:1", "head:6379"])
def test_what_is_lost_ends_the_schedule_in_one_line(make: Make, address: str) -> None:
    engine, ended = make(address=address), []

    def listen(event: Event) -> None:
        if event.outcome is not None:
            ended.append(event.job.name)

    jobs = [job("a"), job("lost", "a"), *(job(f"b{n}", "lost") for n in range(50))]
    with pytest.raises(EngineLostError) as lost:
        run_jobs(jobs, engine, listen)
    assert "\n" not in str(lost.value)
    assert ended == ([] if address == "refused:1" else ["a"])
    if address == "head:6379":
        assert "Ray head:6379 is lost (its driver ended with exit code 1)" in str(lost.value)
        assert "[log: logs/ray.log]" in str(lost.value)


def test_while_others_work_nobody_gives_up_and_the_lines_end(make: Make, said: list[str]) -> None:
    engine = make()
    ran = threading.Thread(
        target=lambda: run_jobs([job("long"), job("long 2"), job("homeless")], engine, silent)
    )
    ran.start()
    deadline = time.monotonic() + 10
    while not any("goes on" in line for line in said):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    told = len(said)
    assert said[0].startswith("--engine ray: 1 job waits for a machine with room, 2 of 3")
    assert said[-1] == "--engine ray: goes on with 2 of 3 workers"
    time.sleep(1)
    assert len(said) == told
    assert ran.is_alive()
    engine.stop()
    ran.join(10)
    assert not ran.is_alive()


def test_stop_ends_a_join_that_hangs(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_engine, "PATIENCE_SECONDS", 60.0)
    engine, found = make(address="hung:6379"), []
    thread = threading.Thread(target=lambda: found.append(engine.call(0, job("a"))))
    thread.start()
    time.sleep(0.3)
    began = time.monotonic()
    engine.stop()
    thread.join(10)
    assert time.monotonic() - began < 5
    assert [f["state"] for f in found] == ["interrupted"]
    assert not started()


def test_a_driver_that_is_killed_is_one_line(make: Make) -> None:
    engine = make()
    pid = int(engine.call(0, job("a"))["pid"])
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(EngineLostError, match="exit code -9"):
        engine.call(0, job("a"))
