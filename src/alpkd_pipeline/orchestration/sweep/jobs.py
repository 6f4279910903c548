"""What is handed to an engine, and what comes back. Plain values that survive any transport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from alpkd_pipeline.errors import UserError

State = Literal["done", "failed", "not run", "interrupted"]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work for one worker: a pipeline up to some results of one cell.

    Attributes:
        name: what people call it; no two jobs of a schedule share it.
        pipeline: the pipeline that makes the results.
        to_outputs: the names of the results.
        params: the cell's complete parameters, `Params.plain()`.
        command: the command line with which people repeat the cell.
        expect: stage -> key as planned; a worker that finds another key refuses the job.
        needs: the names of jobs that must be done first.
        exclusive: whether nothing else may run meanwhile, since times are taken.
    """

    name: str
    pipeline: str
    to_outputs: tuple[str, ...]
    params: Mapping[str, Any]
    command: str = ""
    expect: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    exclusive: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Job:
        """The job that `to_dict` was called on."""
        lists = {name: tuple(values[name]) for name in ("to_outputs", "needs")}
        return cls(**{**values, **lists})


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: the job.
        state: `done`; `failed`; `not run`, because something that it needs was not done or the
            whole was stopped before its turn; `interrupted`, stopped while it ran.
        seconds: how long it took, 0 if it never began.
        error: one line, or None if it is done.
        diverged: whether it failed because its own training left the finite numbers.
    """

    job: Job
    state: State
    seconds: float = 0.0
    error: str | None = None
    diverged: bool = False


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

    Args:
        state: `failed`: trying again would fail again; `diverged`: it failed because the training
            left the finite numbers; `interrupted`: the worker was told to stop; `died`: the
            process is gone, another one may fare better.
        error: one line.
    """
    return {"state": state, "error": error}


class EngineLostError(UserError):
    """An engine has no worker left and will have none: no job can run any more."""


class Engine(Protocol):
    """Workers, one per slot. Every method may be called from any thread."""

    slots: int
    """How many jobs may run at once."""

    def call(self, slot: int, job: Job) -> Mapping[str, str]:
        """Run a job in the worker of a slot, wait for it, and give the worker's answer.

        A worker that died is replaced with the next call.

        Raises:
            EngineLostError: there will be no workers any more.
        """

    def stop(self) -> None:
        """Stop all workers, also those at work; their `call` returns. Twice is as good as once."""
