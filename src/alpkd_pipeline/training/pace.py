"""How fast a training goes, and what it loses to padding and to waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from alpkd_pipeline.training.batching import Batch


class Pace:
    """Counts over a span of a training: since the last line of the journal, or an epoch."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._examples = self._tokens = self._places = 0
        self._data_seconds = 0.0

    def add(self, batch: Batch) -> None:
        """Count a batch that was trained on."""
        self._examples += len(batch.rows)
        self._tokens += batch.tokens
        self._places += batch.inputs["input_ids"].numel()

    def wait(self, seconds: float) -> None:
        """Count time in which the next batch was gathered, padded and sent."""
        self._data_seconds += seconds

    def skip(self, seconds: float) -> None:
        """Leave out time that was no training: an evaluation must not look like slow training."""
        self._started += seconds

    def counts(self) -> dict[str, float]:
        """What `of` needs to count on."""
        return {
            "examples": self._examples,
            "tokens": self._tokens,
            "places": self._places,
            "data_seconds": self._data_seconds,
            "seconds": self.seconds,
        }

    @classmethod
    def of(cls, counts: Mapping[str, float]) -> Pace:
        """A span that goes on where an interrupted training stopped."""
        pace = cls()
        pace._examples, pace._tokens = int(counts["examples"]), int(counts["tokens"])
        pace._places, pace._data_seconds = int(counts["places"]), counts["data_seconds"]
        pace._started -= counts["seconds"]
        return pace

    @property
    def seconds(self) -> float:
        """Since the beginning of the span, without what was skipped."""
        return max(1e-9, time.perf_counter() - self._started)

    def speed(self) -> dict[str, float]:
        """Examples a second, and per cent of the time that went into waiting for data."""
        seconds = self.seconds
        return {
            "examples_per_second": round(self._examples / seconds, 1),
            "data_percent": round(100 * self._data_seconds / seconds, 2),
        }

    def of_epoch(self) -> dict[str, float]:
        """The same for an epoch, with its tokens: padding is the per cent of places without one."""
        seconds, places = self.seconds, max(1, self._places)
        return {
            "seconds": round(seconds, 3),
            **self.speed(),
            "tokens_per_second": round(self._tokens / seconds, 1),
            "padding_percent": round(100 * (places - self._tokens) / places, 2),
        }


@contextmanager
def waiting(*paces: Pace) -> Iterator[None]:
    """Count the time of a block as waiting for data."""
    started = time.perf_counter()
    yield
    for pace in paces:
        pace.wait(time.perf_counter() - started)
