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
    """One piece of work for one worker: a pipeline up to some results of one cell."""

    name: str  # what people call it; no two jobs of a schedule share it
    pipeline: str
    to_outputs: tuple[str, ...]
    params: Mapping[str, Any]  # the cell's complete parameters, `Params.plain()`
    command: str = ""  # the command line with which people repeat the cell
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
    # `done`; `failed`; `not run`, because something that it needs was not done or the whole was
    # stopped before its turn; `interrupted`, stopped while it ran
    state: State
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

    `failed`: trying again would fail again; `diverged`: it failed because the training left the
    finite numbers; `interrupted`: the worker was told to stop; `died`: the process is gone, another
    one may fare better.
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
    board = _Board(jobs, engine, on_event)
    threads = [
        threading.Thread(target=board.work, args=(slot,), name=f"slot-{slot}", daemon=True)
        for slot in range(min(engine.slots, len(jobs)))
    ]
    stopped = False
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stopped = True
        board.stop()
        engine.stop()
        for thread in threads:
            if thread.ident is not None:
                thread.join()
    if board.lost is not None and not stopped:
        raise board.lost
    return Ran(board.outcomes(), stopped)


class _Board:
    """The state of a schedule, shared by the threads of its slots."""

    def __init__(self, jobs: Sequence[Job], engine: Engine, on_event: Listener) -> None:
        self._jobs, self._engine, self._on_event = list(jobs), engine, on_event
        self._waiting = list(jobs)
        self._running: list[Job] = []
        self._ended: dict[str, Outcome] = {}
        self._names = {job.name for job in jobs}
        self._stopping = False
        self.lost: EngineLostError | None = None
        self._changed = threading.Condition(threading.RLock())

    def work(self, slot: int) -> None:
        """Take jobs until none is left for this slot."""
        while (job := self._take(slot)) is not None:
            began = time.monotonic()
            try:
                found = self._call(slot, job)
            except EngineLostError as error:
                self.lost = error
                self.stop()
                return
            self._end(slot, job, found, time.monotonic() - began)

    def stop(self) -> None:
        """Start nothing more."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def outcomes(self) -> list[Outcome]:
        """How all jobs ended; those that had no turn were stopped."""
        return [
            self._ended.get(job.name, Outcome(job, "not run", error=STOPPED)) for job in self._jobs
        ]

    def _take(self, slot: int) -> Job | None:
        with self._changed:
            while True:
                self._give_up_hopeless(slot)
                if self._stopping or not self._waiting:
                    return None
                job = next((job for job in self._waiting if self._may_start(job)), None)
                if job is not None:
                    self._waiting.remove(job)
                    self._running.append(job)
                    self._tell(Event(job, slot))
                    return job
                if not self._running:  # needs that go round in a circle
                    return None
                self._changed.wait()

    def _may_start(self, job: Job) -> bool:
        if any(need in self._names and need not in self._ended for need in job.needs):
            return False
        if any(other.exclusive for other in self._running):
            return False
        return not (job.exclusive and self._running)

    def _give_up_hopeless(self, slot: int) -> None:
        """Jobs that need something that was not done are not run; others may need these in turn."""
        if self._stopping:
            return
        while hopeless := [(job, need) for job in self._waiting if (need := self._broken(job))]:
            for job, need in hopeless:
                self._waiting.remove(job)
                root = self._ended[need]
                first = root.error if root.state == "not run" and root.error else f"{need} failed"
                self._ended[job.name] = Outcome(job, "not run", error=first)
                self._tell(Event(job, slot, self._ended[job.name]))

    def _broken(self, job: Job) -> str | None:
        ended = (need for need in job.needs if need in self._ended)
        return next((need for need in ended if self._ended[need].state != "done"), None)

    def _call(self, slot: int, job: Job) -> Mapping[str, str]:
        for _ in range(ATTEMPTS):
            try:
                found = self._engine.call(slot, job)
            except EngineLostError:
                raise
            except Exception as error:  # a bug of the engine must not lose the slot
                cause = user_error(error)  # such as a full disk under the worker's log
                if cause is None:
                    log.exception("%s", job.name)
                return answer("failed", str(cause or f"{type(error).__name__}: {error}"))
            if self._stopping or found["state"] not in ("died", "interrupted"):
                return found
        return found

    def _end(self, slot: int, job: Job, found: Mapping[str, str], seconds: float) -> None:
        with self._changed:
            told = found["state"]
            state: State = "done" if told == "done" else "failed"
            if told == "interrupted" or (told == "died" and self._stopping):
                state = "interrupted"
            error = None if state == "done" else found.get("error") or "no reason was given"
            outcome = Outcome(job, state, seconds, error, told == "diverged")
            self._running.remove(job)
            self._ended[job.name] = outcome
            self._tell(Event(job, slot, outcome))
            self._changed.notify_all()

    def _tell(self, event: Event) -> None:
        try:
            self._on_event(event)
        except (Exception, SystemExit):  # what cannot be told must not stop the work
            # rich leaves the thread if nobody reads what is printed
            log.exception("%s", event.job.name)


def talking_process(
    module: str, words: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None
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
            env={**os.environ, **(env or {})},
            text=True,
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

    def tell(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return tell
