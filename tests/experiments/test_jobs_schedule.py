from __future__ import annotations

import _thread
import errno
import os
import signal
import threading
import time

import pytest
from tests.experiments.conftest import ToyEngine, job

from alpkd_pipeline.experiments.jobs import (
    DONE,
    STOPPED,
    EngineLostError,
    Event,
    answer,
    run_jobs,
)


def silent(_event: Event) -> None:
    return


DIED = answer("died", "the worker process died")
FAILED = answer("failed", "diverged")


def test_jobs_run_in_order_after_what_they_need() -> None:
    engine = ToyEngine(slots=1)
    jobs = [job("cell", "signals"), job("other"), job("signals", "teacher"), job("teacher")]
    outcomes, stopped = run_jobs(jobs, engine, silent)
    assert engine.began == ["other", "teacher", "signals", "cell"]
    assert [o.job.name for o in outcomes] == ["cell", "other", "signals", "teacher"]
    assert {o.state for o in outcomes} == {"done"}
    assert not stopped
    assert not engine.stopped.is_set()


def test_slots_work_at_the_same_time() -> None:
    engine = ToyEngine(slots=2)
    together = threading.Barrier(2, timeout=10)
    engine._answer = lambda _name: (together.wait(), DONE)[1]  # type: ignore[method-assign]
    assert len(run_jobs([job("a"), job("b")], engine, silent).outcomes) == 2


def test_a_failure_stops_only_what_needs_it() -> None:
    engine = ToyEngine(teacher=[FAILED])
    jobs = [job("teacher"), job("signals", "teacher"), job("cell", "signals"), job("other")]
    found = {o.job.name: (o.state, o.error) for o in run_jobs(jobs, engine, silent).outcomes}
    assert found == {
        "teacher": ("failed", "diverged"),
        "signals": ("not run", "teacher failed"),
        "cell": ("not run", "teacher failed"),
        "other": ("done", None),
    }
    assert engine.began.count("teacher") == 1


def test_an_exclusive_job_runs_alone() -> None:
    engine = ToyEngine(slots=3)
    jobs = [job("a"), job("time", exclusive=True), job("b"), job("time too", exclusive=True)]
    assert all(o.state == "done" for o in run_jobs(jobs, engine, silent).outcomes)
    assert engine.beside["time"] == set()
    assert engine.beside["time too"] == set()


@pytest.mark.parametrize("first", [DIED, answer("interrupted", "somebody stopped it")])
def test_a_job_is_tried_once_more_when_its_worker_dies(first: dict[str, str]) -> None:
    engine = ToyEngine(a=[first, DONE], b=[DIED, DIED, DONE])
    a, b = run_jobs([job("a"), job("b")], engine, silent).outcomes
    assert (a.state, engine.began.count("a")) == ("done", 2)
    assert (b.state, b.error, engine.began.count("b")) == ("failed", DIED["error"], 2)


def test_an_engine_that_raises_loses_no_slot() -> None:
    engine = ToyEngine(slots=1, a=[RuntimeError("broken pipe")])
    a, b = run_jobs([job("a"), job("b")], engine, silent).outcomes
    assert (a.state, a.error) == ("failed", "RuntimeError: broken pipe")
    assert b.state == "done"


def test_a_full_disk_under_a_worker_s_log_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "logs/sweep-worker-1.log")
    a, b = run_jobs([job("a"), job("b")], ToyEngine(slots=1, a=[full]), silent).outcomes
    assert (a.state, b.state) == ("failed", "done")
    assert (a.error or "").startswith("logs/sweep-worker-1.log could not be written: No space")
    assert caplog.records == []


@pytest.mark.parametrize("slots", [1, 3])
def test_an_engine_without_workers_ends_the_schedule(slots: int) -> None:
    lost = EngineLostError("no machine is left")
    engine = ToyEngine(slots=slots, b=[lost], c=[lost], d=[lost])
    told: list[tuple[str, str]] = []

    def listen(event: Event) -> None:
        if event.outcome is not None:
            told.append((event.job.name, event.outcome.state))

    jobs = [job("a"), *(job(name, "a") for name in "bcd"), job("e", "b"), job("f", "c")]
    with pytest.raises(EngineLostError, match="no machine is left"):
        run_jobs(jobs, engine, listen)
    assert told == [("a", "done")]
    assert set(engine.began[1:]) <= set("bcd")


@pytest.mark.parametrize("error", [OSError("the terminal is gone"), SystemExit(1)])
def test_every_beginning_and_end_is_told_and_a_listener_may_fail(error: BaseException) -> None:
    told: list[tuple[str, str | None]] = []

    def listen(event: Event) -> None:
        told.append((event.job.name, event.outcome.state if event.outcome else None))
        raise error

    jobs = [job("a"), job("b", "a")]
    outcomes, _ = run_jobs(jobs, ToyEngine(1, a=[FAILED]), listen)
    assert told == [("a", None), ("a", "failed"), ("b", "not run")]
    assert [o.state for o in outcomes] == ["failed", "not run"]


def test_ctrl_c_stops_what_runs_and_starts_nothing_more() -> None:
    engine = ToyEngine(slots=2)
    engine.wait_for = {"a": threading.Event(), "b": threading.Event()}
    running: list[str] = []

    def listen(event: Event) -> None:
        running.append(event.job.name)
        if sorted(running) == ["a", "b"]:
            _thread.interrupt_main()

    outcomes, stopped = run_jobs([job("a"), job("b"), job("c")], engine, listen)
    assert [(o.job.name, o.state) for o in outcomes] == [
        ("a", "interrupted"),
        ("b", "interrupted"),
        ("c", "not run"),
    ]
    assert outcomes[2].error == STOPPED
    assert stopped
    assert engine.stopped.is_set()


def test_ctrl_c_waits_for_what_is_still_being_closed() -> None:
    engine = ToyEngine(slots=1)
    told = answer("interrupted", "the worker was stopped")

    def closes_slowly(_name: str) -> dict[str, str]:
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)
        engine.stopped.wait(10)
        time.sleep(0.5)
        return told

    engine._answer = closes_slowly  # type: ignore[method-assign]
    (a,), stopped = run_jobs([job("a")], engine, silent)
    assert (a.state, a.error, stopped) == ("interrupted", told["error"], True)


def test_needs_in_a_circle_end_and_needs_from_elsewhere_are_met() -> None:
    jobs = [job("a", "b"), job("b", "a"), job("c", "gone")]
    outcomes, _ = run_jobs(jobs, ToyEngine(), silent)
    assert [o.state for o in outcomes] == ["not run", "not run", "done"]


def test_ctrl_c_at_the_end_of_the_last_job_is_told() -> None:
    ended = threading.Event()

    def listen(event: Event) -> None:
        if event.outcome is not None:
            _thread.interrupt_main()
            ended.wait(0.2)

    outcomes, stopped = run_jobs([job("a")], ToyEngine(slots=1), listen)
    assert [o.state for o in outcomes] == ["done"]
    assert stopped


def test_a_worker_that_others_stop_is_interrupted_and_has_not_failed() -> None:
    told = answer("interrupted", "the worker was stopped")
    (a,), stopped = run_jobs([job("a")], ToyEngine(a=[told, told]), silent)
    assert (a.state, stopped) == ("interrupted", False)


def test_a_diverged_training_is_told_apart() -> None:
    engine = ToyEngine(a=[answer("diverged", "loss became nan")], b=[FAILED])
    a, b = run_jobs([job("a"), job("b")], engine, silent).outcomes
    assert (a.state, a.diverged, engine.began.count("a")) == ("failed", True, 1)
    assert (b.state, b.diverged) == ("failed", False)
