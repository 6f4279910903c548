"""Workers on a Ray cluster, or on a Ray of this machine's own.

All that touches Ray is done by a process of its own (`ray_driver.py`). What is here hands jobs to
it, and has the clock: it says every 30 seconds that jobs wait for a machine, and gives up when none
has been at work for 5 minutes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.experiments.engines import GRACE_SECONDS
from alpkd_pipeline.experiments.jobs import EngineLostError, Job, answer, talking_process
from alpkd_pipeline.experiments.ray_driver import RayOrder

DRIVER = "alpkd_pipeline.experiments.ray_driver"
LOG = "logs/ray.log"
"""Where Ray's own words go, in the project."""

SAY_SECONDS = 30.0
"""How often it is said that jobs wait for a machine."""

PATIENCE_SECONDS = 300.0
"""How long jobs wait for a machine while none is at work."""

KEPT = "what is finished is kept: see to the cluster and run the same command again"


class RayEngine:
    """Slots that are served by Ray actors; which actor serves which slot is left open.

    Ray starts with the first job, so that a plan costs nothing. All machines see the project and
    the store under the same path.

    Args:
        gpus_per_experiment: the share of a GPU for each, such as 0.25; 0 hides all GPUs.
        address: a cluster to join, as `ray.init` takes it; None starts Ray on this machine.
    """

    def __init__(
        self,
        project: Path,
        env: str | None,
        workers: int,
        gpus_per_experiment: float = 0.0,
        address: str | None = None,
        *,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.slots = workers
        self._project, self._say, self._where = project, say, address or "on this machine"
        self._order = RayOrder(str(project), env, workers, gpus_per_experiment, address)
        self._driver: subprocess.Popen[str] | None = None
        self._joined = self._stopped = False
        self._lost = self._trouble = ""
        self._answers: dict[int, Mapping[str, str]] = {}
        self._at_work: set[int] = set()
        self._waiting: dict[int, float] = {}
        self._last_work = self._said = 0.0
        self._enough = workers
        self._changed = threading.Condition()

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        """Run a job in some actor and wait for it.

        Raises:
            EngineLostError: no machine was at work for 5 minutes, or Ray is gone, for good.
        """
        with self._changed:
            if not self._stopped:
                driver = self._driver or self._start()
                with contextlib.suppress(OSError):  # it has ended: `_read` notices and knows why
                    message = {"slot": slot, "job": asdict(job)}
                    print(json.dumps(message), file=driver.stdin, flush=True)
                self._waiting[slot] = time.monotonic()
                while not (slot in self._answers or self._lost):
                    self._changed.wait(min(1.0, SAY_SECONDS))
                    self._watch_the_clock()
                self._waiting.pop(slot, None)
            if slot in self._answers:
                return self._answers.pop(slot)
            if self._stopped:
                return answer("interrupted", "stopped")
            raise EngineLostError(self._lost)

    def stop(self) -> None:
        """Stop all workers, wait for what is under way to be closed, and leave Ray."""
        with self._changed:
            self._stopped = True
            driver = self._driver
        if driver is None:
            return
        assert driver.stdin is not None
        try:
            if self._joined:
                with contextlib.suppress(OSError):
                    driver.stdin.close()
                self._reader.join(GRACE_SECONDS + 10)
        finally:
            driver.kill()
            self._reader.join()

    def _start(self) -> subprocess.Popen[str]:
        words, log = [json.dumps(asdict(self._order))], self._project / LOG
        self._driver = talking_process(DRIVER, words, log, self._project)
        self._reader = threading.Thread(target=self._read, args=(self._driver,), daemon=True)
        self._reader.start()
        return self._driver

    def _read(self, driver: subprocess.Popen[str]) -> None:
        assert driver.stdout is not None
        for line in driver.stdout:
            with self._changed:
                self._hear(json.loads(line))
                self._changed.notify_all()
        code = driver.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)  # what a Ray of this machine's own may leave
        with self._changed:
            # Most often the head: Ray ends whoever has lost it.
            why = f"Ray {self._where} is lost (its driver ended with exit code {code})"
            self._lose(f"{why}; {KEPT} [log: {LOG}]")

    def _hear(self, message: Mapping[str, Any]) -> None:
        self._joined |= "joined" in message
        self._lost = self._lost or message.get("lost", "")
        self._trouble = message.get("trouble", self._trouble)
        if "slot" not in message:
            return
        slot, self._last_work = message["slot"], time.monotonic()
        self._waiting.pop(slot, None)
        if "answer" in message:
            self._at_work.discard(slot)
            self._answers[slot] = message["answer"]
        else:
            self._at_work.add(slot)
            self._enough = max(self._enough, len(self._at_work))

    def _watch_the_clock(self) -> None:
        """Say that jobs wait, for as long as fewer are at work than people know of."""
        busy = len(self._at_work)
        if self._lost or not self._waiting or busy >= self._enough:
            return
        now, began = time.monotonic(), min(self._waiting.values())
        waited = now - (began if busy else max(began, self._last_work))
        if waited >= PATIENCE_SECONDS and busy:
            self._enough = busy
            self._say(f"--engine ray: goes on with {busy} of {self.slots} workers")
        elif waited >= PATIENCE_SECONDS:
            took = f"{waited / 60:.0f} minutes" if waited >= 120 else f"{waited:.0f} s"
            why = f"{took} ({self._trouble})" if self._trouble else took
            room = f"no machine has had room for a worker for {why}; {KEPT}"
            away = f"Ray {self._where} cannot be reached (no answer in {took})"
            self._lose(room if self._joined else away)
            assert self._driver is not None
            self._driver.kill()
        elif now - max(self._said, began) >= SAY_SECONDS:
            self._said = now
            jobs = plural(len(self._waiting), "job waits", "jobs wait")
            room = f"{jobs} for a machine with room, {busy} of {self.slots} workers are busy"
            what = room if self._joined else f"waiting for Ray {self._where}"
            self._say(f"--engine ray: {what} ({waited:.0f} s)")

    def _lose(self, why: str) -> None:
        self._lost = self._lost or f"--engine ray: {why}"
        self._changed.notify_all()
