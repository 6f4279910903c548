"""How fast a training goes, and what it loses to padding and to waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
import torch

from alpkd_pipeline.training.batching import Batch


@dataclass(slots=True)
class Throughput:
    """Counts over a span of a training: since the last line of the event log, or an epoch.

    Places of padded batches hold a token or none. `data_seconds` went into gathering, padding and
    sending batches; `started` is later by what was skipped.
    """

    examples: int = 0
    tokens: int = 0
    places: int = 0
    data_seconds: float = 0.0
    started: float = field(default_factory=lambda: time.perf_counter())

    def add(self, batch: Batch) -> None:
        """Count a batch that was trained on."""
        self.examples += len(batch.rows)
        self.tokens += batch.tokens
        self.places += batch.inputs["input_ids"].numel()

    def skip(self, seconds: float) -> None:
        """Leave out time that was no training: an evaluation must not look like slow training."""
        self.started += seconds

    def counts(self) -> dict[str, float]:
        """What `of` needs to count on."""
        counts = asdict(self)
        del counts["started"]
        return {**counts, "seconds": self.seconds}

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> Throughput:
        """A span that goes on where an interrupted training stopped."""
        counted = {name: value for name, value in counts.items() if name != "seconds"}
        return cls(**counted, started=time.perf_counter() - counts["seconds"])

    @property
    def seconds(self) -> float:
        """Since the beginning of the span, without what was skipped."""
        return max(1e-9, time.perf_counter() - self.started)

    def speed(self) -> dict[str, float]:
        """Examples a second, and per cent of the time that went into waiting for data."""
        seconds = self.seconds
        return {
            "examples_per_second": round(self.examples / seconds, 1),
            "data_percent": round(100 * self.data_seconds / seconds, 2),
        }

    def of_epoch(self) -> dict[str, float]:
        """The same for an epoch, with its tokens: padding is the per cent of places without one."""
        seconds, places = self.seconds, max(1, self.places)
        return {
            "seconds": round(seconds, 3),
            **self.speed(),
            "tokens_per_second": round(self.tokens / seconds, 1),
            "padding_percent": round(100 * (places - self.tokens) / places, 2),
        }


@contextmanager
def waiting(*throughputs: Throughput) -> Iterator[None]:
    """Count the time of a block as waiting for data."""
    started = time.perf_counter()
    yield
    for throughput in throughputs:
        throughput.data_seconds += time.perf_counter() - started


class SystemMetrics:
    """Samples this process and, where there is one, its GPU."""

    def __init__(self, device: torch.device) -> None:
        self._process = psutil.Process()
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
