"""The state of every random generator as plain tensors, for checkpoints that need no pickle."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

_PYTHON, _NUMPY, _TORCH, _CUDA = "python", "numpy", "torch", "cuda."


def random_state() -> dict[str, Tensor]:
    """The states of Python's, NumPy's and torch's generators, on the CPU and on every GPU."""
    version, words, gauss = random.getstate()
    assert version == 3
    name, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    assert name == "MT19937"
    found = {
        _PYTHON: torch.tensor(words, dtype=torch.int64),
        f"{_PYTHON}.gauss": _numbers([] if gauss is None else [gauss]),
        _NUMPY: torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        f"{_NUMPY}.rest": _numbers([float(place), float(has_gauss), float(cached)]),
        _TORCH: torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        for i, state in enumerate(torch.cuda.get_rng_state_all()):
            found[f"{_CUDA}{i}"] = state
    return found


def restore_random_state(state: dict[str, Tensor]) -> None:
    """Put every generator back; those of GPUs that this machine lacks are left out."""
    gauss = state[f"{_PYTHON}.gauss"].tolist()
    random.setstate((3, tuple(state[_PYTHON].tolist()), gauss[0] if gauss else None))
    place, has_gauss, cached = state[f"{_NUMPY}.rest"].tolist()
    keys = state[_NUMPY].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(place), int(has_gauss), cached))
    torch.set_rng_state(state[_TORCH].to(torch.uint8))
    for name, values in state.items():
        device = int(name.removeprefix(_CUDA)) if name.startswith(_CUDA) else -1
        if 0 <= device < torch.cuda.device_count():
            torch.cuda.set_rng_state(values.to(torch.uint8), device)


def remember_draws(device: torch.device) -> Callable[[], None]:
    """What a model draws from, on the CPU and on its device, as it is now.

    Returns:
        Puts it back, so that the same numbers are drawn again.
    """
    here = torch.get_rng_state()
    there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def put_back() -> None:
        torch.set_rng_state(here)
        if there is not None:
            torch.cuda.set_rng_state(there, device)

    return put_back


def _numbers(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
