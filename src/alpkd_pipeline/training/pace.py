"""How fast a training goes, and what it loses to padding and to waiting for data."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psutil
import torch

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


class Usage:
    """Samples this process and, where there is one, its GPU."""

    def __init__(self, device: torch.device) -> None:
        self._process = psutil.Process(os.getpid())
        self._process.cpu_percent()  # the first call only starts the measurement
        self._device = device
        self._handle = _gpu_handle(device)

    def sample(self) -> dict[str, float]:
        """Memory in MB (10^6 bytes), loads in per cent; GPU values only with a GPU."""
        values = {
            "memory_mb": self._process.memory_info().rss / 1e6,
            "cpu_percent": self._process.cpu_percent(),
        }
        if self._device.type == "cuda":
            values["gpu_memory_mb"] = torch.cuda.max_memory_allocated(self._device) / 1e6
        if self._handle is not None:
            import pynvml

            values["gpu_percent"] = float(pynvml.nvmlDeviceGetUtilizationRates(self._handle).gpu)
        return {name: round(value, 1) for name, value in values.items()}


def _gpu_handle(device: torch.device) -> Any:
    if device.type != "cuda":
        return None
    try:
        import pynvml

        pynvml.nvmlInit()
        # NVML numbers all cards; torch numbers the visible ones: the UUID is the same in both.
        uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        return pynvml.nvmlDeviceGetHandleByUUID(uuid)
    except Exception:  # no library, no permission: load is a nicety, training goes on
        return None
