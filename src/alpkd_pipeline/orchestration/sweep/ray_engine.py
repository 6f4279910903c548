"""Workers on a Ray cluster, or on a Ray of this machine's own: one actor per slot.

An actor does not train. It keeps a worker process as `LocalEngine` does, on the machine where Ray
has put it, so a job is run, stopped and reported in the same way on any engine.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.sweep.jobs import Job, answer
from alpkd_pipeline.orchestration.sweep.local_engine import GRACE_SECONDS, LocalEngine
from alpkd_pipeline.orchestration.sweep.machine import processors

PASSED_ON = ("ALPKD_GLUE_DIR", "HF_HOME", "HF_HUB_OFFLINE", "OMP_NUM_THREADS")
"""Variables of this process that workers elsewhere need too. Nothing secret: Ray shows them."""


class RayWorker:
    """What runs in an actor: one worker process. Its methods may run side by side.

    Args:
        project: the project's root on this machine.
        env: the configuration environment.
        slot: the number of the slot, for the name of the log.
    """

    def __init__(self, project: str, env: str | None, slot: int) -> None:
        logs = Path(project) / "logs" / f"ray-{slot + 1}"
        self._engine = LocalEngine(Path(project), env, 1, logs=logs)

    def call(self, job: Mapping[str, Any]) -> dict[str, str]:
        """Run a job in the worker process and wait for it."""
        return dict(self._engine.call(0, Job.from_dict(job)))

    def stop(self) -> None:
        """Stop the worker process; its `call` returns."""
        self._engine.stop()


class RayEngine:
    """Slots that are Ray actors. Ray starts with the first job, so that a plan costs nothing.

    All machines see the project and the store under the same path.

    Args:
        project: the project's root.
        env: the configuration environment.
        workers: how many jobs run at once.
        gpus_per_cell: the share of a GPU that each of them gets, such as 0.25; 0 hides all GPUs.
        address: a cluster to join, as `ray.init` takes it; None starts Ray on this machine.
    """

    def __init__(
        self,
        project: Path,
        env: str | None,
        workers: int,
        gpus_per_cell: float = 0.0,
        address: str | None = None,
    ) -> None:
        self.slots = workers
        self._project, self._env = project, env
        self._gpus, self._address = gpus_per_cell, address
        self._actors: dict[int, Any] = {}
        self._calls = 0
        self._started = self._stopped = False
        self._fault: str | None = None
        self._changed = threading.Condition()

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        """Run a job in a slot's actor and wait for it."""
        with self._changed:
            if self._stopped:
                return answer("interrupted", "stopped")
            self._start()
            if self._fault is not None:
                return answer("failed", self._fault)
            actor = self._actor(slot)
            self._calls += 1
        try:
            return self._ask(slot, actor, job)
        finally:
            with self._changed:
                self._calls -= 1
                self._changed.notify_all()

    def stop(self) -> None:
        """Stop all workers, wait for what is under way to be closed, and leave Ray."""
        with self._changed:
            self._stopped = True
            actors, started = dict(self._actors), self._started
            self._actors = {}
        if not started:
            return
        ray = _ray()
        stopping = [actor.stop.remote() for actor in actors.values()]
        try:
            ray.wait(stopping, num_returns=len(stopping), timeout=GRACE_SECONDS + 5)
            with self._changed:
                # An answer that is under way would be lost with the connection.
                self._changed.wait_for(lambda: self._calls == 0, timeout=5)
        finally:
            for actor in actors.values():
                ray.kill(actor)
            ray.shutdown()
            self._started = False

    def _ask(self, slot: int, actor: Any, job: Job) -> Mapping[str, str]:
        ray = _ray()
        try:
            return dict(ray.get(actor.call.remote(asdict(job))))
        except ray.exceptions.RayActorError as error:
            with self._changed:
                if self._stopped:
                    return answer("interrupted", "stopped")
                # Another actor, wherever there is room: the machine itself may be gone.
                self._actors.pop(slot, None)
            ray.kill(actor)
            first = str(error).strip().splitlines()[0]
            return answer("died", f"the worker process died (Ray: {first})")

    def _actor(self, slot: int) -> Any:
        ray = _ray()
        if slot not in self._actors:
            remote = ray.remote(RayWorker).options(
                num_cpus=1, num_gpus=self._gpus, max_concurrency=2
            )
            self._actors[slot] = remote.remote(str(self._project), self._env, slot)
        return self._actors[slot]

    def _start(self) -> None:
        if self._started or self._fault is not None:
            return
        try:
            self._join()
            self._check_room()
        except UserError as error:
            self._fault = str(error)

    def _join(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
        ray = _ray()
        local: dict[str, Any] = {}
        if self._address is None:
            cpus = max(self.slots, processors())
            local = {"include_dashboard": False, "num_cpus": cpus}
        try:
            _knock(self._address)
            ray.init(
                address=self._address or "local",
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"env_vars": self._environment()},
                **local,
            )
        except (ConnectionError, OSError, ValueError, RuntimeError) as error:
            first = str(error).strip().splitlines()[0]
            where = self._address or "on this machine"
            raise UserError(f"--engine ray: Ray {where} cannot be reached ({first})") from None
        self._started = True

    def _environment(self) -> dict[str, str]:
        found = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        if self._address is None:
            found.setdefault("OMP_NUM_THREADS", str(max(1, processors() // self.slots)))
        path = [str(self._project / "src"), os.environ.get("PYTHONPATH", "")]
        return {**found, "PYTHONPATH": os.pathsep.join(part for part in path if part)}

    def _check_room(self) -> None:
        """Refuse what would wait for ever: actors that no machine has room for.

        Raises:
            UserError: says what there is.
        """
        there = _ray().cluster_resources()
        for name, each in (("CPU", 1.0), ("GPU", self._gpus)):
            if each and there.get(name, 0.0) < each * self.slots - 1e-6:
                raise UserError(
                    f"--engine ray: {self.slots} workers need {each * self.slots:g} {name}s and Ray"
                    f" has {there.get(name, 0.0):g}: give fewer --workers, or a smaller share"
                )


def _knock(address: str | None) -> None:
    """Fail at once where nobody listens; Ray itself would go on trying for minutes.

    Raises:
        OSError: there is no such machine, or nobody listens.
    """
    host, _, port = (address or "").rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()


def _ray() -> Any:
    """The library, imported only when it is used; it has no complete type hints."""
    import ray

    return ray
