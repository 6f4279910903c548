"""What jobs run on: workers of this machine, one process per slot, or those of Ray."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Self

from alpkd_pipeline.experiments.jobs import Job, answer, talking_process


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def visible_gpus() -> list[str]:
    """The GPUs that CUDA would show, as names for CUDA_VISIBLE_DEVICES."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    try:
        done = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))] if done.returncode == 0 else []


def gpus_for(devices: Iterable[str]) -> list[str]:
    """The GPUs to share among workers: none where a training has none or asks for its own."""
    asked = set(devices)
    free_to_choose = asked and asked <= {"auto", "cuda", "cpu"} and asked != {"cpu"}
    return visible_gpus() if free_to_choose else []


def default_workers(
    gpus: Iterable[str], experiments_per_gpu: int, threads: Iterable[int | str]
) -> int:
    """How many workers fit: by GPUs if there are any, else by the trainings' threads."""
    if there := len(list(gpus)):
        return there * experiments_per_gpu
    # What `auto` becomes where nothing limits it, see training/devices.py.
    half = max(1, processors() // 2)
    most = max((half if asked == "auto" else int(asked) for asked in threads), default=1)
    return max(1, processors() // most)


WORKER = "alpkd_pipeline.experiments.worker"
GRACE_SECONDS = 20.0
"""How long a worker that was told to stop may take to close what is open."""

LOOK_SECONDS = 1.0
"""How often it is looked whether a worker that has not answered yet lives."""


class LocalEngine:
    """Worker processes that keep Kedro, torch and MLflow loaded from one job to the next.

    A process per slot: if one dies, only its own job is lost. It starts with the slot's first job.
    Slot k sees the k-th of some GPUs, named as in CUDA_VISIBLE_DEVICES, round and round; without
    any, workers see what this process sees. Use it in a `with` block, or call `stop`.
    """

    def __init__(
        self,
        project: Path,
        env: str | None,
        workers: int,
        *,
        gpus: Sequence[str] = (),
        logs: Path | None = None,
    ) -> None:
        self.slots = workers
        self._project, self._env, self._gpus = project, env, list(gpus)
        self._logs = logs or project / "logs"
        self._processes: dict[int, subprocess.Popen[str]] = {}
        self._stopped = False
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @property
    def worker(self) -> str:
        """The module that a process runs."""
        return WORKER

    def log_of(self, slot: int) -> Path:
        """Where the worker of a slot writes all it has to say."""
        return self._logs / f"sweep-worker-{slot + 1}.log"

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        """Run a job in a slot's process and wait for it."""
        process = self._process(slot)
        if process is None:
            return answer("interrupted", "stopped")
        found = _ask(process, job)
        if found is None or found["state"] == "interrupted":
            # What answers no more, or nonsense, is of no use even if it lives.
            _wait(process, time.monotonic() + GRACE_SECONDS)
            code = process.wait()
            found = found or answer("died", f"the worker process died ({_reason(code)})")
        if found["state"] != "done":
            return {**found, "error": f"{found['error']} [log: {self._shown(self.log_of(slot))}]"}
        return found

    def stop(self) -> None:
        """Stop all processes: told to first, killed if they take too long or on another Ctrl-C."""
        with self._lock:
            self._stopped = True
            processes = list(self._processes.values())
        for process in processes:
            process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        try:
            for process in processes:
                _wait(process, deadline)
        finally:
            for process in processes:
                process.kill()
                process.wait()

    def _process(self, slot: int) -> subprocess.Popen[str] | None:
        with self._lock:
            if self._stopped:
                return None
            process = self._processes.get(slot)
            if process is None or process.poll() is not None:
                words, log = [str(self._project), self._env or ""], self.log_of(slot)
                env = self._environment(slot)
                process = talking_process(self.worker, words, log, self._project, **env)
                self._processes[slot] = process
            return process

    def _shown(self, log: Path) -> Path:
        return log.relative_to(self._project) if log.is_relative_to(self._project) else log

    def _environment(self, slot: int) -> dict[str, str]:
        """What must be set before torch is imported."""
        share = str(max(1, processors() // self.slots))
        found = {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", share)}
        if self._gpus:
            found["CUDA_VISIBLE_DEVICES"] = self._gpus[slot % len(self._gpus)]
        return found


def _ask(process: subprocess.Popen[str], job: Job) -> dict[str, str] | None:
    """Send a job and wait for its answer; None if the process ended instead.

    The end is looked for, too: a child of the process may outlive it and keep its pipe open.
    """
    assert process.stdout is not None
    try:
        print(json.dumps(asdict(job)), file=process.stdin, flush=True)
        ended = False
        while not select.select([process.stdout], [], [], 0 if ended else LOOK_SECONDS)[0]:
            if ended:
                return None
            ended = process.poll() is not None
        line = process.stdout.readline()
        return dict(json.loads(line)) if line.endswith("\n") else None
    except (OSError, ValueError, TypeError):
        return None


def _wait(process: subprocess.Popen[str], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()


def _reason(code: int) -> str:
    if code == -signal.SIGKILL:
        return "killed: out of memory?"
    if code < 0:
        return f"by signal {signal.Signals(-code).name}"
    return f"with exit code {code}"
