"""Jobs of a sweep or search, the workers that do them, pipes to these, and which job runs when."""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from alpkd_pipeline.errors import UserError, user_error

State = Literal["done", "failed", "not run", "interrupted"]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for one worker: a pipeline up to some results of one experiment."""

    name: str  # what people call it; no two jobs of a schedule share it
    pipeline: str
    to_outputs: tuple[str, ...]
    params: Mapping[str, Any]  # the experiment's complete parameters, `Params.plain()`
    command: str = ""  # the command line with which people repeat the experiment
    # stage -> key as planned; a worker that finds another key refuses the job
    expect: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()  # the names of jobs that must be done first
    exclusive: bool = False  # whether nothing else may run meanwhile, since times are taken

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """The job whose `asdict` was sent as JSON."""
        lists = {name: tuple(values[name]) for name in ("to_outputs", "needs")}
        return cls(**{**values, **lists})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended."""

    job: Job
    state: State  # `not run`: what it needs was not done, or all was stopped before its turn
    seconds: float = 0.0  # how long it took, 0 if it never began
    error: str | None = None
    diverged: bool = False  # whether it failed because its own training left the finite numbers


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell while jobs run: `outcome` is None for a job that begins."""

    job: Job
    slot: int
    outcome: Outcome | None = None


DONE: Mapping[str, str] = {"state": "done"}
"""The answer of a worker that did its job."""


def answer(
    state: Literal["failed", "diverged", "interrupted", "died"], error: str
) -> dict[str, str]:
    """Any other answer.

    `failed`: trying again would fail again; `diverged`: likewise, the training left the finite
    numbers; `interrupted`: the worker was told to stop; `died`: another process may fare better.
    """
    return {"state": state, "error": error}


class EngineLostError(UserError):
    """An engine has no worker left and will have none: no job can run any more."""


class Engine(Protocol):
    """Workers, one per slot. Every method may be called from any thread."""

    slots: int  # how many jobs may run at once

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        """Run a job in the worker of a slot, wait for it, and give the worker's answer.

        A worker that died is replaced with the next call.
        """

    def stop(self) -> None:
        """Stop all workers, also those at work; their `call` returns. Twice is as good as once."""


log = logging.getLogger(__name__)

STOPPED = "stopped before its turn"
ATTEMPTS = 2
"""How often a job is tried whose worker dies: memory may have been short only for a moment."""

Listener = Callable[[Event], None]


class Ran(NamedTuple):
    """What became of some jobs, in their order, and whether somebody stopped them."""

    outcomes: list[Outcome]
    stopped: bool  # true even if no job was left that could be stopped. The engine has stopped too


def run_jobs(jobs: Sequence[Job], engine: Engine, on_event: Listener) -> Ran:
    """Run jobs on an engine's slots, in their order as far as their needs allow.

    A job that fails stops nothing but the jobs that need it. Only Ctrl-C (KeyboardInterrupt) stops
    the engine; what ran is then `interrupted`, what was waiting `not run`.

    Args:
        jobs: names must differ; a need that no job has counts as done.
        on_event: told of every beginning and end, by one thread at a time.

    Raises:
        EngineLostError: the engine has no workers any more; what had ended was told.
    """
    scheduler = _Scheduler(jobs, engine, on_event)
    thread = threading.Thread(target=scheduler.run, name="schedule", daemon=True)
    stopped = False
    try:
        thread.start()
        # No `join`: Python 3.11 takes a thread for ended where Ctrl-C has ended the wait for it.
        while not scheduler.over.wait(0.5):  # what another thread gets told ends no wait
            pass
    except KeyboardInterrupt:
        stopped = scheduler.stopping = True
        engine.stop()
        if thread.ident is not None:
            scheduler.over.wait()
    if scheduler.lost is not None and not stopped:
        raise scheduler.lost
    never = (Outcome(job, "not run", error=STOPPED) for job in jobs)
    return Ran([scheduler.ended.get(outcome.job.name, outcome) for outcome in never], stopped)


class _Scheduler:
    """A schedule. Its own thread decides and tells; each job that runs has one that waits."""

    def __init__(self, jobs: Sequence[Job], engine: Engine, on_event: Listener) -> None:
        self._engine, self._on_event = engine, on_event
        self._waiting = {job.name: job for job in jobs}
        self._running: dict[int, Job] = {}
        self._answers: queue.SimpleQueue[tuple[int, Mapping[str, str], float]] = queue.SimpleQueue()
        self.ended: dict[str, Outcome] = {}
        self.stopping = False  # whether nothing more is started
        self.lost: EngineLostError | None = None
        self.over = threading.Event()

    def run(self) -> None:
        """Start jobs and tell how they end, until none runs and none may start."""
        try:
            while self._start_what_may():
                self._take_an_answer()
        finally:
            self.over.set()

    def _start_what_may(self) -> bool:
        """Start jobs; whether any runs: there may be needs that go round in a circle."""
        while len(self._running) < self._engine.slots and (job := self._next()):
            slot = min(set(range(self._engine.slots)) - self._running.keys())
            self._running[slot] = self._waiting.pop(job.name)
            self._tell(Event(job, slot))
            threading.Thread(target=self._work, args=(slot, job), daemon=True).start()
        return bool(self._running)

    def _take_an_answer(self) -> None:
        slot, found, seconds = self._answers.get()
        job, told = self._running.pop(slot), found["state"]
        if told == "lost":
            return
        state: State = "done" if told == "done" else "failed"
        if told == "interrupted" or (told == "died" and self.stopping):
            state = "interrupted"
        error = None if state == "done" else found.get("error") or "no reason was given"
        self._end(slot, Outcome(job, state, seconds, error, told == "diverged"))

    def _next(self) -> Job | None:
        """The first job that may start now."""
        busy = self._running.values()
        if self.stopping or any(job.exclusive for job in busy):
            return None
        to_come = self._waiting.keys() | {job.name for job in busy}
        ready = (job for job in self._waiting.values() if to_come.isdisjoint(job.needs))
        return next((job for job in ready if not (job.exclusive and busy)), None)

    def _work(self, slot: int, job: Job) -> None:
        """Have a job run, once more if its worker dies."""
        began = time.monotonic()
        for _ in range(ATTEMPTS):
            try:
                found = self._engine.call(slot, job)
            except EngineLostError as error:
                self.lost, self.stopping, found = error, True, {"state": "lost"}
            except Exception as error:  # a bug of the engine must not lose the slot
                cause = user_error(error)  # such as a full disk under the worker's log
                if cause is None:
                    log.exception("%s", job.name)
                found = answer("failed", str(cause or f"{type(error).__name__}: {error}"))
            if self.stopping or found["state"] not in ("died", "interrupted"):
                break
        self._answers.put((slot, found, time.monotonic() - began))

    def _end(self, slot: int, outcome: Outcome) -> None:
        """Tell how a job ended; what needs one that was not done is not run, all the way up."""
        name = outcome.job.name
        self.ended[name] = outcome
        self._tell(Event(outcome.job, slot, outcome))
        if outcome.state == "done" or self.stopping:
            return
        first = (outcome.state == "not run" and outcome.error) or f"{name} failed"
        for job in [job for job in self._waiting.values() if name in job.needs]:
            if self._waiting.pop(job.name, None):
                self._end(slot, Outcome(job, "not run", error=first))

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except (Exception, SystemExit):  # what cannot be told must not stop the work
            # rich leaves the thread if nobody reads what is printed
            log.exception("%s", event.job.name)


def talking_process(
    module: str, words: Sequence[str], log: Path, cwd: Path, **env: str
) -> subprocess.Popen[str]:
    """A Python process that reads lines, answers with lines, and logs all else it has to say.

    It is in a session of its own, so that Ctrl-C reaches the sweep alone.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **env},
            encoding="utf-8",
            start_new_session=True,
        )


def lines_to_come(at_end: Callable[[], None]) -> queue.SimpleQueue[str | None]:
    """The lines of standard input as they come, and None at its end, which is told at once too."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        at_end()

    threading.Thread(target=read, name="jobs", daemon=True).start()
    return lines


def own_stdout() -> Callable[[Mapping[str, Any]], None]:
    """Writes lines of JSON to standard output, which prints reach no more: they are for the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return lambda message: print(json.dumps(message), file=answers, flush=True)
