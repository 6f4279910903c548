"""When a device's memory is too short for a batch: fewer rows at a time, the same batch.

A batch that does not fit is cut into halves until it does. In training the gradients of the parts
add up to that of the batch, for every loss of this project is a mean over the rows. The order of
additions and the dropout masks differ: the result is as good, but not bitwise that of a device with
more memory, so the run records it.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch

from alpkd_pipeline.errors import UserError, first_line
from alpkd_pipeline.store.event_log import MEMORY, EventLog

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

MESSAGES = (
    "out of memory",
    "DefaultCPUAllocator: ",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""What errors of torch say that have no class of their own: of CPUs, of Apple's GPUs, of cuBLAS."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device's memory was too short."""
    known = isinstance(error, RuntimeError) and any(text in str(error) for text in MESSAGES)
    return known or isinstance(error, torch.OutOfMemoryError | MemoryError)


class MicrobatchSize:
    """How many rows go through a model at once: a whole batch, to begin with.

    Attributes:
        rows: how many it is now; `whole` to begin with.
        noted: what `note` was called with each time it was halved: `doing` (`training` or
            `evaluation`), `rows`, `instead_of` and where that was.
    """

    def __init__(
        self, rows: int, doing: str, note: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.rows = self.whole = rows
        self.noted: list[dict[str, Any]] = []
        self._doing, self._note = doing, note

    def parts(self, members: np.ndarray) -> list[np.ndarray]:
        """A batch's rows, as many at a time as the limit allows."""
        return [members[i : i + self.rows] for i in range(0, len(members), self.rows)]

    def halve(self, tried: int, fault: str, **where: Any) -> None:
        """Allow half as many rows as were tried, and say so; UserError if it was a single row.

        The record says `where` that was, such as the step; `fault` is what torch said.
        """
        # Give memory that nobody needs back to the device.
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        elif torch.backends.mps.is_available():
            torch.mps.empty_cache()
        if tried == 1:
            raise UserError(
                f"out of memory in {self._doing} with a single row at a time"
                f" ({fault.splitlines()[0]}): lower task.max_length, take a smaller model, or"
                " another device"
            )
        self.rows = (tried + 1) // 2
        log.warning(
            f"out of memory with {tried} rows at a time in {self._doing}: going on with"
            f" {self.rows}; batches count as before"
        )
        found = {"doing": self._doing, "rows": self.rows, "instead_of": self.whole, **where}
        self.noted.append(found)
        if self._note is not None:
            self._note(found)

    def each(self, members: np.ndarray, work: Callable[[np.ndarray], T]) -> Iterator[T]:
        """What some work comes to for each part of independent rows; what does not fit is cut."""
        start = 0
        while start < len(members):
            part = members[start : start + self.rows]
            found, fault = attempt(work, part)
            if fault is not None:
                self.halve(len(part), fault)
            else:
                assert found is not None
                yield found
                start += len(part)


def logged_limit(
    rows: int, doing: str, event_log: EventLog, events: Iterable[Mapping[str, Any]]
) -> MicrobatchSize:
    """A limit that the event log keeps: a training that goes on reads it from its `events`."""
    limit = MicrobatchSize(rows, doing, lambda found: event_log.write(MEMORY, **found))
    for event in events:
        if event["event"] == MEMORY and event["doing"] == doing:
            limit.rows = int(event["rows"])
    return limit


def attempt(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T | None, str | None]:
    """What some work comes to, or what torch says of the memory that it lacked."""
    # Not raised: an exception would keep alive what the work had made so far.
    try:
        return work(*args, **kwargs), None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None, str(error) or type(error).__name__


@contextmanager
def memory_errors() -> Iterator[None]:
    """Where nothing can be cut, a lack of memory is one line for the user, a UserError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"out of memory ({first_line(error)}), with nothing left to make smaller:"
            " take smaller models, a smaller eval_batch_size or another device, or stop what else"
            " uses this one"
        ) from None
