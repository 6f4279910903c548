"""Real processes with a stand-in for the worker: it does what a job's name says."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.experiments.conftest import job

from alpkd_pipeline.experiments import engines
from alpkd_pipeline.experiments.engines import LocalEngine
from alpkd_pipeline.experiments.jobs import Event, run_jobs

STAND_IN = """
import json, os, signal, sys, time
def stop(*_):
    if os.path.exists("stubborn"):
        return
    print(json.dumps({"state": "interrupted", "error": "stopped"}), flush=True)
    os._exit(143)
signal.signal(signal.SIGTERM, stop)
for line in sys.stdin:
    name = json.loads(line)["name"]
    if name.startswith("exit"):
        os._exit(9)
    if name.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("once") and not os.path.exists("tried"):
        open("tried", "w").close()
        os._exit(1)
    if name.startswith("sleep"):
        open(name, "w").close()
        time.sleep(60)
    if name.startswith("half"):
        print('{"state"', end="", flush=True)
        os._exit(0)
    if name.startswith("orphan") and os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    if name.startswith("orphan"):
        open("orphan", "w").write(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("nonsense"):
        print("Epoch 1: 100%", flush=True)
        time.sleep(60)
    if name.startswith("number"):
        print(5, flush=True)
    if name.startswith("deaf"):
        os.close(1)
        time.sleep(60)
    if name.startswith("lingers"):
        print(json.dumps({"state": "interrupted", "error": "stopped"}), flush=True)
        time.sleep(60)
    failed = {"state": "failed", "error": "diverged"}
    told = {n: os.environ.get(n, "") for n in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES")}
    sys.stderr.write(name + " was here\\n")
    done = {"state": "done", "pid": str(os.getpid()), **told}
    print(json.dumps(failed if name.startswith("fail") else done), flush=True)
    if name.startswith("after"):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    (tmp_path / "stand_in.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engines, "WORKER", "stand_in")
    with LocalEngine(tmp_path, None, 2, gpus=["3", "5"]) as made:
        yield made


def silent(_event: Event) -> None:
    return


def test_a_process_serves_its_slot_as_long_as_it_lives(engine: LocalEngine) -> None:
    first, second, other = (engine.call(s, job(n)) for s, n in ((0, "a"), (0, "b"), (1, "c")))
    assert {first["state"], second["state"], other["state"]} == {"done"}
    assert first["pid"] == second["pid"] != other["pid"]
    assert engine.log_of(0).read_text() == "a was here\nb was here\n"
    assert engine.log_of(0).name == "sweep-worker-1.log"


def test_each_slot_has_its_gpu_and_its_share_of_the_processors(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "processors", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    found = [engine.call(slot, job("a")) for slot in (0, 1)]
    assert [f["CUDA_VISIBLE_DEVICES"] for f in found] == ["3", "5"]
    assert [f["OMP_NUM_THREADS"] for f in found] == ["4", "4"]


def test_the_user_s_number_of_threads_stands(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert engine.call(0, job("a"))["OMP_NUM_THREADS"] == "7"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("exit", "with exit code 9"),
        ("kill", "killed: out of memory?"),
        ("half", "with exit code 0"),
    ],
)
def test_a_crash_is_that_job_s_alone(engine: LocalEngine, name: str, reason: str) -> None:
    found = engine.call(0, job(name))
    log = "[log: logs/sweep-worker-1.log]"
    assert found == {"state": "died", "error": f"the worker process died ({reason}) {log}"}
    assert engine.call(0, job("a"))["state"] == "done"


def test_a_child_that_outlives_its_worker_holds_nobody_up(engine: LocalEngine) -> None:
    began = time.monotonic()
    assert "killed: out of memory?" in engine.call(0, job("orphan"))["error"]
    assert engine.call(0, job("a"))["state"] == "done"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("name", "state"),
    [("nonsense", "died"), ("number", "died"), ("deaf", "died"), ("lingers", "interrupted")],
)
def test_a_worker_that_answers_no_sense_is_replaced(
    engine: LocalEngine, name: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "GRACE_SECONDS", 0.2)
    assert engine.call(0, job(name))["state"] == state
    assert engine.call(0, job("a"))["state"] == "done"


def test_workers_that_die_between_two_jobs_cost_nothing(engine: LocalEngine) -> None:
    jobs = [job(f"after {n}") for n in range(6)]
    assert {o.state for o in run_jobs(jobs, engine, silent).outcomes} == {"done"}


def test_a_worker_that_dies_at_every_start_costs_two_tries_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("raise SystemExit('no torch here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(engines, "WORKER", "broken")
    with LocalEngine(tmp_path, None, 2) as engine:
        outcomes = run_jobs([job(name) for name in "abcd"], engine, silent).outcomes
        logs = "".join(engine.log_of(slot).read_text() for slot in (0, 1))
    assert {o.state for o in outcomes} == {"failed"}
    assert all("with exit code 1) [log: logs/sweep-worker-" in (o.error or "") for o in outcomes)
    assert logs.count("no torch here") == 8


def test_others_finish_when_processes_crash(engine: LocalEngine) -> None:
    jobs = [job(name) for name in ("exit", "a", "fail", "b", "once", "c")]
    found = {o.job.name: o.state for o in run_jobs(jobs, engine, silent).outcomes}
    assert found == {
        **dict.fromkeys("abc", "done"),
        "once": "done",
        "exit": "failed",
        "fail": "failed",
    }


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("stubborn", [False, True])
def test_stop_ends_processes_at_work(
    engine: LocalEngine, stubborn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "GRACE_SECONDS", 0.5 if stubborn else 30.0)
    if stubborn:
        (tmp_path / "stubborn").touch()
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(engine.call(0, job("sleep"))))
    thread.start()
    wait_for(tmp_path / "sleep")
    process = engine._processes[0].pid
    engine.stop()
    thread.join(10)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert [f["state"] for f in found] == ["died" if stubborn else "interrupted"]  # type: ignore[index]
    assert engine.call(1, job("a"))["state"] == "interrupted"
    engine.stop()


def test_nothing_is_started_before_it_is_needed(tmp_path: Path) -> None:
    with LocalEngine(tmp_path, None, 4) as engine:
        assert engine.slots == 4
    assert not (tmp_path / "logs").exists()
