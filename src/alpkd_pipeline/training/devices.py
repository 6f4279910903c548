"""The device, precision and threads of a run: what was asked for, and what it became here.

What the C library does with memory that a step has freed.

A step on the CPU asks for the same hundred megabytes as the one before. glibc gives freed memory
back to the system at once, and the system fills each page with zeros when it is asked for again:
four thousand page faults a step, 5 to 8 % of a small student's time (benchmarks/README.md).

A training that goes on elsewhere than it was: what that leaves of the promise of equal bits.

With the same processor, device, threads, precision and libraries a training that was interrupted
ends bitwise as if it had not been. With others it ends as well, within the spread of the seeds: it
goes on, says so, and keeps the record.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from alpkd_pipeline.errors import UserError

LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "numpy")


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a run really used; recorded with its results, because results depend on it."""

    device: str
    device_name: str
    precision: str
    threads: int


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The device of a run, and the precision in which models pass over it."""

    device: Any  # a torch.device, which the hints of transformers' `to` do not take
    precision: str

    def autocast(self) -> torch.autocast:
        """Passes in bf16 where the run wants them so; weights and losses stay in fp32."""
        wanted = self.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=wanted)


def resolve_hardware(device: str, precision: str, threads: int | str) -> Hardware:
    """Turn `auto` into this machine's choice.

    Args:
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32` or `bf16`.
        threads: `auto` (half the processors this process may use) or a number.

    Raises:
        UserError: the device is not on this machine.
    """
    chosen = _device(device)
    return Hardware(
        device=chosen,
        device_name=_device_name(chosen),
        precision=_precision(precision, chosen),
        threads=int(threads) if threads != "auto" else _threads(),
    )


def _threads() -> int:
    """Half the processors: the others are often the same cores' second threads, and where a
    neighbour keeps one of them busy every step waits for it. Never more than OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else (os.cpu_count() or 1)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    half = max(1, processors // 2)
    return min(half, int(limit)) if limit.isdigit() and int(limit) else half


def _device(asked: str) -> str:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if asked == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    family, _, number = asked.partition(":")
    there = {"cpu": True, "cuda": cuda, "mps": mps}[family]
    if not there or (number and int(number) >= torch.cuda.device_count()):
        raise UserError(
            f"parameter 'training.device' = {asked!r}: this machine has no such device"
            f" (torch {torch.__version__}); use auto or cpu"
        )
    return asked


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return _cpu_name()


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _precision(asked: str, device: str) -> str:
    if asked != "auto":
        return asked
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # CPUs without native bf16 emulate it, slower than fp32.
    native = torch.backends.cpu.get_cpu_capability() in {"AVX512"} and _cpu_has_bf16()
    return "bf16" if device == "cpu" and native else "fp32"


def _cpu_has_bf16() -> bool:
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


@contextmanager
def accelerator_for(hardware: Hardware) -> Iterator[Accelerator]:
    """This hardware for a model, with torch's thread count and current GPU while it is open."""
    before = torch.get_num_threads()
    torch.set_num_threads(hardware.threads)
    device = torch.device(hardware.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    try:
        yield Accelerator(device, hardware.precision)
    finally:
        torch.set_num_threads(before)


def environment(hardware: Hardware) -> dict[str, Any]:
    """Hardware, Python and library versions, as recorded in a run's journal and manifest."""
    return {
        **asdict(hardware),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3

NEVER = 2**31 - 1
DEFAULT_TRIM_THRESHOLD = 128 * 1024
LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""Blocks up to this size come from the heap, which is kept; glibc allows no more."""


@contextmanager
def freed_memory_kept() -> Iterator[None]:
    """A context in which freed memory stays with the process; at its end all of it is given back.

    Results do not depend on it. Where the C library is not glibc, nothing is changed.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
    libc.mallopt(M_TRIM_THRESHOLD, NEVER)
    try:
        yield
    finally:
        libc.mallopt(M_TRIM_THRESHOLD, DEFAULT_TRIM_THRESHOLD)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


log = logging.getLogger(__name__)

RESUME = "resume"
"""The event of a training that goes on."""

NAMES = ("device", "device_name", "precision", "threads", "attention", "libraries")
"""What of a run's environment moves the last bits of its numbers."""


def last_environment(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Where a training was when it wrote the end of its journal; empty if it does not say."""
    found: Mapping[str, Any] = {}
    for event in events:
        if event["event"] in {"start", RESUME}:
            found = event
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs between two environments: dotted name -> [before, now]."""
    old, new = dict(_flat(before)), dict(_flat(now))
    both = (name for name in new if name in old)
    return {name: [old[name], new[name]] for name in both if old[name] != new[name]}


def say_differences(name: str, step: int, found: Mapping[str, list[Any]]) -> None:
    """Warn that a training goes on elsewhere; say nothing if nothing differs."""
    if not found:
        return
    what = ", ".join(f"{key} {now} instead of {before}" for key, (before, now) in found.items())
    log.warning(
        "%s goes on after step %d with %s: its result is not bitwise that of an uninterrupted"
        " training, and its record says so",
        name,
        step,
        what,
    )


def resumed_on(events: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where a training went on elsewhere, from its journal: after which step, and what differed."""
    return [
        {"after_step": event["after_step"], "differs": event["differs"]}
        for event in events
        if event["event"] == RESUME and event.get("differs")
    ]


def _flat(environment: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in NAMES:
        value = environment.get(name)
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", version) for inner, version in value.items())
        elif value is not None:
            yield name, value
