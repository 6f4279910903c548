"""What this machine has for workers: processors and GPUs, without importing torch."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)


def visible_gpus() -> list[str]:
    """The GPUs that CUDA would show, as names for CUDA_VISIBLE_DEVICES."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        done = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = [line for line in done.stdout.splitlines() if line.startswith("GPU ")]
    return [str(number) for number in range(len(lines))] if done.returncode == 0 else []


def gpus_for(devices: Iterable[str]) -> list[str]:
    """The GPUs to share among workers: none where a training has none or asks for its own.

    Args:
        devices: what the trainings ask for (`training.device`).
    """
    asked = set(devices)
    free_to_choose = asked and asked <= {"auto", "cuda", "cpu"} and asked != {"cpu"}
    return visible_gpus() if free_to_choose else []


def default_workers(gpus: Iterable[str], cells_per_gpu: int, threads: Iterable[int | str]) -> int:
    """How many workers fit: by GPUs if there are any, else by processors.

    Args:
        gpus: the GPUs to share.
        cells_per_gpu: workers on each of them.
        threads: what the cells' trainings ask for: a number, or `auto`.
    """
    there = len(list(gpus))
    if there:
        return there * cells_per_gpu
    # What `auto` becomes where nothing limits it, see training/devices.py.
    half = max(1, processors() // 2)
    most = max((half if asked == "auto" else int(asked) for asked in threads), default=1)
    return max(1, processors() // most)
