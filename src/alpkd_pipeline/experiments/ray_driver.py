"""The process that talks to Ray: `python -m alpkd_pipeline.experiments.ray_driver OPTIONS`.

It reads jobs from standard input and writes what becomes of them to standard output, both as lines
of JSON, to and from `RayEngine`; what Ray has to say goes to standard error. It is a process of its
own because Ray ends the process that it lives in when the head is lost, and waits for ever for a
head that hangs. It waits without a limit: the engine has the clock, and ends it.

An actor does not train. It is a `LocalEngine` with one worker process, on the machine where Ray
has put it, so a job is run, stopped and reported in the same way on any engine. Any actor may do
any job: a job whose machine is lost takes the first actor that is free or finds a place.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError, first_line
from alpkd_pipeline.experiments.engines import GRACE_SECONDS, LocalEngine, processors
from alpkd_pipeline.experiments.jobs import Job, answer, lines_to_come, own_stdout

PASSED_ON = ("ALPKD_GLUE_DIR", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")
"""Variables of this process that workers elsewhere need too. Nothing secret: Ray shows them."""

LOOK_SECONDS = 0.2
"""How long Ray is listened to before it is looked whether there are new jobs."""

PAUSE_SECONDS = 20.0
"""How long no actor is made after one was not alive before it had a job."""


@dataclass(frozen=True, slots=True)
class RayOrder:
    """What the engine wants of its driver."""

    project: str
    env: str | None
    workers: int
    gpus: float  # the share of a GPU that each worker gets
    address: str | None  # a cluster to join; None starts Ray on this machine


class Pool:
    """Actors and the jobs that wait for one. One thread looks after all of it."""

    def __init__(self, order: RayOrder, tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._order, self._tell = order, tell
        self._waiting: deque[tuple[int, Job]] = deque()
        self._unmade = list(range(order.workers, 0, -1))  # the numbers of actors
        self._free: list[tuple[int, Any]] = []
        # By Ray's promise of an answer: who must show that it is alive, and jobs with their slots.
        self._asked: dict[Any, tuple[int, Any]] = {}
        self._calls: dict[Any, tuple[int, tuple[int, Any]]] = {}
        self._make_after = 0.0

    def serve(self, jobs: queue.SimpleQueue[str | None]) -> None:
        """Do jobs until there is a None among them; then stop those at work and tell of it."""
        while True:
            try:
                line = jobs.get(timeout=0 if self._calls or self._waiting else None)
            except queue.Empty:
                self._look_for_actors()
                self._listen()
                continue
            if line is None:
                break
            given = json.loads(line)
            self._waiting.append((given["slot"], Job.from_dict(given["job"])))
        self._waiting.clear()
        for _, (_, actor) in self._calls.values():
            actor.stop.remote()
        until = time.monotonic() + GRACE_SECONDS + 5
        while self._calls and time.monotonic() < until:
            self._listen()

    def _look_for_actors(self) -> None:
        while self._free and self._waiting:  # a machine may be lost while its actor is free
            self._ask(*self._free.pop())
        if time.monotonic() < self._make_after:
            return
        project = Path(self._order.project)
        # While an actor does a job it can be stopped.
        needs = {"num_cpus": 1, "num_gpus": self._order.gpus, "max_concurrency": 2}
        make = _ray().remote(LocalEngine).options(**needs).remote
        while self._unmade and len(self._asked) < len(self._waiting):
            number = self._unmade.pop()
            logs = project / "logs" / f"ray-{number}"
            self._ask(number, make(project, self._order.env, 1, logs=logs))

    def _ask(self, number: int, actor: Any) -> None:
        self._asked[actor.__ray_ready__.remote()] = number, actor

    def _listen(self) -> None:
        there = [*self._asked, *self._calls]
        if not there:
            time.sleep(LOOK_SECONDS)
            return
        ray = _ray()
        for promise in ray.wait(there, timeout=LOOK_SECONDS)[0]:
            slot, worker = self._calls.pop(promise, None) or (None, self._asked.pop(promise))
            try:
                found = ray.get(promise)
            except ray.exceptions.RayTaskError as error:
                why = " ".join(str(error.cause).split())
                found = answer("failed", f"{type(error.cause).__name__}: {why}")
            except ray.exceptions.RayError as error:
                # Its memory, its machine or the way to it: another one may fare better.
                self._unmade.append(worker[0])
                ray.kill(worker[1])
                if slot is None:  # which costs a job no attempt
                    self._was_not_alive(error)
                else:
                    self._tell({"slot": slot, "answer": _died(error)})
                continue
            if slot is not None:
                self._tell({"slot": slot, "answer": found})
            if slot is None and self._waiting:
                slot, job = self._waiting.popleft()
                self._calls[worker[1].call.remote(0, job)] = slot, worker
                self._tell({"slot": slot, "begun": True})
            else:
                self._free.append(worker)

    def _was_not_alive(self, error: Exception) -> None:
        # It can start nowhere where a package or a folder is missing, for instance.
        setup = isinstance(error, _ray().exceptions.RuntimeEnvSetupError)
        if self._waiting and (setup or getattr(error, "actor_init_failed", False)):
            self._tell({"slot": self._waiting.popleft()[0], "answer": _died(error)})
        else:  # a machine that is short of memory would try it without end
            self._make_after = time.monotonic() + PAUSE_SECONDS
            self._tell({"trouble": _cause(error)})


def _died(error: Exception) -> dict[str, str]:
    return answer("died", f"the worker process died (Ray: {_cause(error)})")


def _cause(error: Exception) -> str:
    """The one line of an error that says why; the first one is often the same for all."""
    said = [line.strip() for line in str(error).splitlines() if line[:1].strip()]
    if getattr(error, "actor_init_failed", False):
        return said[-1]
    generic = _ray().exceptions.ActorDiedError.BASE_ERROR_MSG
    return next((line for line in said if line != generic), type(error).__name__)


def join(order: RayOrder) -> None:
    """Join a cluster or start Ray here, and see that there is room: actors would wait for ever."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = [str(Path(order.project) / "src"), os.environ.get("PYTHONPATH", "")]
    passed["PYTHONPATH"] = os.pathsep.join(filter(None, path))
    local: dict[str, Any] = {}
    if order.address is None:
        # Ray asks nobody for a password, so one of this machine's own listens on 127.0.0.1 alone.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        local = {"include_dashboard": False, "num_cpus": max(order.workers, processors())}
        passed.setdefault("OMP_NUM_THREADS", str(max(1, processors() // order.workers)))
    try:
        _knock(order.address)
        _ray().init(
            address=order.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": passed},
            **local,
        )
    except (OSError, ValueError, RuntimeError) as error:
        where = order.address or "on this machine"
        why = f"Ray {where} cannot be reached ({first_line(error)})"
        raise UserError(f"--engine ray: {why}") from None
    there = _ray().cluster_resources()
    for name, each in (("CPU", 1.0), ("GPU", order.gpus)):
        if each and there.get(name, 0.0) < each * order.workers - 1e-6:
            raise UserError(
                f"--engine ray: {order.workers} workers need {each * order.workers:g} {name}s and"
                f" Ray has {there.get(name, 0.0):g}: give fewer --workers, or a smaller share"
            )


def _knock(address: str | None) -> None:
    """Fail at once where nobody listens; Ray itself would go on trying for minutes."""
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _ray() -> Any:
    """The library, imported only when it is used; it has no complete type hints."""
    import ray

    return ray


def _end_soon() -> None:
    # Nobody listens any more, and a cluster that hangs would keep this process for ever.
    time.sleep(GRACE_SECONDS + 10)
    os._exit(1)


def main() -> None:
    """Set up the process, do jobs until standard input ends, and leave Ray."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the sweep's to handle
    tell, jobs = own_stdout(), lines_to_come(_end_soon)
    order = RayOrder(**json.loads(sys.argv[1]))
    try:
        join(order)
    except UserError as error:
        tell({"lost": str(error)})
    else:
        tell({"joined": True})
        Pool(order, tell).serve(jobs)
    finally:
        _ray().shutdown()


if __name__ == "__main__":
    main()
