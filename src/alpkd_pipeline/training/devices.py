"""The device, precision and threads of a run: what was asked for, and what it became here.

With the same processor, device, threads, precision and libraries an interrupted training ends
bitwise as if it had not been. With others it ends within the spread of the seeds: it goes on, says
so, and keeps the record.
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
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store import diff
from alpkd_pipeline.store.fingerprint import processor
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import Batch, collate

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

log = logging.getLogger(__name__)

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
    """The hardware of a run while it is open: models pass over it in its precision."""

    device: Any  # a torch.device, which the hints of transformers' `to` do not take
    hardware: Hardware

    def autocast(self) -> torch.autocast:
        """Passes in bf16 where the run wants them so; weights and losses stay in fp32."""
        bf16 = self.hardware.precision == "bf16"
        return torch.autocast(self.device.type, torch.bfloat16, enabled=bf16)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model on its device, and what is needed to feed it."""

    folder: Path  # where it came from; messages name it
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    accelerator: Accelerator

    @property
    def pad_id(self) -> int:
        """The tokenizer's padding id."""
        return int(self.tokenizer.pad_token_id)

    def batch(self, split: EncodedSplit, rows: np.ndarray) -> Batch:
        """Some rows (B,) of a split on the model's device."""
        return collate(split, rows, self.pad_id).to(self.accelerator.device)


def resolve_hardware(device: str, precision: str, threads: int | str) -> Hardware:
    """Turn `auto` into this machine's choice; UserError where the device is not on this machine.

    `device` is `auto`, `cpu`, `cuda`, `cuda:N` or `mps`, `precision` `auto`, `fp32` or `bf16`,
    `threads` `auto` (half the processors this process may use) or a number.
    """
    chosen = _device(device)
    on_gpu = chosen.startswith("cuda")
    name = torch.cuda.get_device_name(torch.device(chosen)) if on_gpu else processor()[0]
    count = int(threads) if threads != "auto" else _threads()
    return Hardware(chosen, name, _precision(precision, chosen), count)


def _threads() -> int:
    """Half the processors: the others are often the same cores' second threads, and where a
    neighbour keeps one of them busy every step waits for it. Never more than OMP_NUM_THREADS."""
    affinity = getattr(os, "sched_getaffinity", None)
    half = max(1, (len(affinity(0)) if affinity else (os.cpu_count() or 1)) // 2)
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(half, int(limit)) if limit.isdigit() and int(limit) else half


def _device(requested: str) -> str:
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if requested == "auto":
        return "cuda" if cuda else "mps" if mps else "cpu"
    family, _, number = requested.partition(":")
    there = {"cpu": True, "cuda": cuda, "mps": mps}[family]
    if not there or (number and int(number) >= torch.cuda.device_count()):
        raise UserError(
            f"parameter 'training.device' = {requested!r}: this machine has no such device"
            f" (torch {torch.__version__}); use auto or cpu"
        )
    return requested


def _precision(requested: str, device: str) -> str:
    if requested != "auto":
        return requested
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    # CPUs without native bf16 emulate it, slower than fp32.
    native = getattr(torch.cpu, "_is_avx512_bf16_supported", bool)
    wide = device == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"
    return "bf16" if wide and native() else "fp32"


@contextmanager
def accelerator_for(hardware: Hardware) -> Iterator[Accelerator]:
    """This hardware for a model, with torch's thread count and current GPU while it is open."""
    before = torch.get_num_threads()
    torch.set_num_threads(hardware.threads)
    device = torch.device(hardware.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    try:
        yield Accelerator(device, hardware)
    finally:
        torch.set_num_threads(before)


@contextmanager
def training_hardware(requested: TrainingSettings) -> Iterator[Accelerator]:
    """The hardware that a training asks for, and freed memory kept, as long as it is open."""
    hardware = resolve_hardware(requested.device, requested.precision, requested.threads)
    with accelerator_for(hardware) as accelerator, freed_memory_reserved():
        yield accelerator


def environment(hardware: Hardware) -> dict[str, Any]:
    """Hardware, Python and library versions, as recorded in a run's event log and manifest."""
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


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from glibc's malloc.h


@contextmanager
def freed_memory_reserved() -> Iterator[None]:
    """A context in which freed memory stays with the process; at its end all of it is given back.

    A step on the CPU asks for the same hundred megabytes as the one before. glibc gives freed
    memory back to the system at once, and the system fills each page with zeros when it is asked
    for again: four thousand page faults a step, 5 to 8 % of a small student's time
    (benchmarks/README.md). Results do not depend on it. Other C libraries stay as they are.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    # Blocks up to 32 MiB, the most that glibc allows, come from the heap, which never shrinks.
    libc.mallopt(M_MMAP_THRESHOLD, 32 * 2**20)
    libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(M_TRIM_THRESHOLD, 128 * 1024)  # its default
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None


RESUME = "resume"
"""The event of a training that goes on."""

NAMES = ("device", "device_name", "precision", "threads", "attention", "libraries")
"""What of a run's environment moves the last bits of its numbers."""


def last_environment(events: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Where a training was when it wrote the end of its event log; empty if it does not say."""
    begun = [event for event in events if event["event"] in {"start", RESUME}]
    return begun[-1] if begun else {}


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What differs between two environments: dotted name -> [before, now]."""
    known = ({name: each[name] for name in NAMES if name in each} for each in (before, now))
    found = diff.differences(*known)
    return {name: [*both] for name, both in found.items() if None not in both}


def say_differences(name: str, step: int, found: Mapping[str, list[Any]]) -> None:
    """Warn that a training goes on elsewhere; say nothing if nothing differs."""
    if not found:
        return
    what = ", ".join(f"{key} {now} instead of {before}" for key, (before, now) in found.items())
    told = "its result is not bitwise that of an uninterrupted training, and its record says so"
    log.warning("%s goes on after step %d with %s: %s", name, step, what, told)
