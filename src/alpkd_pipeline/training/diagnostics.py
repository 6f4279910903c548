"""What is measured of a training and changes none of its numbers.

How fast it goes, what it loses to padding and to waiting for data, and, at its first step, how much
each term of the loss weighs by the norm of its gradient. Losses do not tell: a term of 5 may pull
less than one of 0.1. A method of which one term weighs next to nothing is another than its name.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import psutil
import torch
from torch import Tensor, nn

from alpkd_pipeline.distillation.method_table import WEIGHTS
from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.training.batching import Batch

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Throughput:
    """Counts over a span of a training: since the last line of the event log, or an epoch.

    `places` of padded batches hold a token or none, `data_seconds` went into gathering, padding and
    sending batches, and `started` is later by what was skipped.
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
        counted = {name: count for name, count in asdict(self).items() if name != "started"}
        return {**counted, "seconds": self.seconds}

    @classmethod
    def of(cls, counts: Mapping[str, Any]) -> Throughput:
        """A span that goes on where an interrupted training stopped."""
        counted = dict(counts)
        return cls(started=time.perf_counter() - counted.pop("seconds"), **counted)

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
        memory, load = self._process.memory_info().rss / 1e6, self._process.cpu_percent()
        values = {"memory_mb": memory, "cpu_percent": load}
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


def weighted_gradients(
    terms: LossTerms, weights: Mapping[str, float], parameters: Iterable[nn.Parameter]
) -> dict[str, float]:
    """|| weight * d term / d parameters ||_2 of every term with a weight; none of a single term.

    The graph stays as it is, and so do the gradients that the parameters hold: the step that
    follows has the same numbers as without this look.
    """
    trained = [weight for weight in parameters if weight.requires_grad]
    wanted = {name: getattr(terms, name) for name, weight in weights.items() if weight > 0}
    found = {name: term for name, term in wanted.items() if term is not None}
    if len(found) < 2:
        return {}

    def norm(term: Tensor) -> float:
        if not term.requires_grad:  # a term without pairs of layers is a constant
            return 0.0
        parts = torch.autograd.grad(term, trained, retain_graph=True, allow_unused=True)
        squares = [gradient.float().square().sum() for gradient in parts if gradient is not None]
        return float(torch.stack(squares).sum().sqrt()) if squares else 0.0

    return {name: weights[name] * norm(term) for name, term in found.items()}


def say_gradients(title: str, norms: Mapping[str, float]) -> None:
    """Log the norms of a training, and warn of each term that weighs nothing beside the largest."""
    shown = ", ".join(f"{name} {norm:.3g}" for name, norm in norms.items())
    log.info("%s: weighted gradients at the first step: %s", title, shown)
    largest = max(norms, key=lambda name: norms[name])
    names: dict[str, str] = {term: weight for weight, term in WEIGHTS.items()}
    for name, norm in norms.items():
        if norm < 0.01 * norms[largest]:
            log.warning(
                f"{title}: the {name} term weighs nothing at the first step: its gradient of"
                f" {norm:.2g} is under 1 % of the {largest} term's {norms[largest]:.2g}; with a"
                f" larger method.{names[name]} it would have a say"
            )
