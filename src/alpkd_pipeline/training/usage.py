"""What a training takes from the machine: memory and load, sampled into the journal."""

from __future__ import annotations

import os
from typing import Any

import psutil
import torch


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
