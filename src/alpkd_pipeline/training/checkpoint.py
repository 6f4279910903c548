"""Everything that a training needs to go on as if it had never stopped, as one file of tensors.

The model, what the method learns, AdamW's moments and the random generators. Nothing is pickled:
tensors lie in a safetensors file, numbers in JSON, and both are checked against their hashes before
they are read.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alpkd_pipeline.store.checkpoints import (
    CHECKPOINTS,
    FACTS,
    KEPT,
    drop_beaten,
    drop_checkpoints,
    good_checkpoints,
    keep_only,
    publish_step,
    steps_of,
)
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.manifest import write_json

_PYTHON, _NUMPY, _TORCH, _CUDA = "python", "numpy", "torch", "cuda."


def random_state() -> dict[str, Tensor]:
    """The states of Python's, NumPy's and torch's generators, on the CPU and on every GPU."""
    version, words, gauss = random.getstate()
    assert version == 3
    name, keys, place, has_gauss, cached = np.random.get_state(legacy=True)
    assert name == "MT19937"
    found = {
        _PYTHON: torch.tensor(words, dtype=torch.int64),
        f"{_PYTHON}.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        _NUMPY: torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        f"{_NUMPY}.rest": torch.tensor([place, has_gauss, cached], dtype=torch.float64),
        _TORCH: torch.get_rng_state(),
    }
    states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return found | {f"{_CUDA}{i}": state for i, state in enumerate(states)}


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
    """Remember what a model draws from; the function puts it back, so that it is drawn again."""
    here = torch.get_rng_state()
    there = torch.cuda.get_rng_state(device) if device.type == "cuda" else None

    def put_back() -> None:
        torch.set_rng_state(here)
        if there is not None:
            torch.cuda.set_rng_state(there, device)

    return put_back


TENSORS = "state.safetensors"

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def write_tensors(
    folder: Path,
    model: nn.Module,
    parameters: Iterable[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    sums: Mapping[str, Tensor],
) -> None:
    """Write `state.safetensors`: buffers, parameters in a fixed order, moments, draws, sums."""
    found = {f"buffers.{name}": value for name, value in _buffers(model).items()}
    for i, parameter in enumerate(parameters):
        found[f"trained.{i}"] = parameter.detach()
        for name, value in optimiser.state.get(parameter, {}).items():
            found[f"moments.{i}.{name}"] = value
    found |= {f"sums.{name}": value for name, value in sums.items()}
    found |= {f"random.{name}": value for name, value in random_state().items()}
    # Copies: safetensors refuses tensors that share memory, as parameters and state_dict do.
    plain = {name: value.detach().cpu().clone().contiguous() for name, value in found.items()}
    save_file(plain, folder / TENSORS)


def read_tensors(
    folder: Path,
    model: nn.Module,
    parameters: Iterable[nn.Parameter],
    optimiser: torch.optim.Optimizer,
) -> dict[str, Tensor]:
    """Put model, parameters, moments and generators back as `write_tensors` found them.

    Returns:
        The running sums.
    """
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in load_file(folder / TENSORS).items():
        kind, _, rest = name.partition(".")
        groups.setdefault(kind, {})[rest] = value
    buffers, trained = _buffers(model), list(parameters)
    with torch.no_grad():
        for name, value in groups.get("buffers", {}).items():
            buffers[name].copy_(value)
        for i, parameter in enumerate(trained):
            parameter.copy_(groups["trained"][str(i)])
    numbers, moments = {id(p): i for i, p in enumerate(trained)}, groups.get("moments", {})
    order = [numbers[id(p)] for group in optimiser.param_groups for p in group["params"]]
    state = {
        place: {name: moments[f"{i}.{name}"] for name in _MOMENTS}
        for place, i in enumerate(order)
        if f"{i}.step" in moments
    }
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
    restore_random_state(groups["random"])
    return groups.get("sums", {})


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    """What the model saves and does not train."""
    trained = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in model.state_dict().items() if name not in trained}


SHARE = 0.02
"""With `auto`, the most of a training's time that goes into saving."""

LONGEST = 300.0
"""With `auto`, seconds after which it saves in the middle of an epoch."""


class Saver:
    """Publishes a training's checkpoints; each remembers how long the event log is.

    `every` is the steps between two of them, beside those at each epoch's end; `auto` goes by the
    clock, so that saving takes no more than `SHARE` of the time; `never` publishes none.
    """

    def __init__(self, work: Path, every: int | str, event_log: EventLog) -> None:
        self._work, self._every, self._event_log = work, every, event_log
        self._saved_at = time.perf_counter()
        self._cost = 0.0

    def due(self, step: int, *, epoch_ends: bool) -> bool:
        """Whether a checkpoint is wanted after this step."""
        if self._every == "never":
            return False
        if self._every != "auto":
            return epoch_ends or step % int(self._every) == 0
        waited = time.perf_counter() - self._saved_at
        cheap = self._cost <= SHARE * waited
        return cheap and (epoch_ends or waited >= LONGEST)

    def save(self, step: int, facts: dict[str, Any], write: Callable[[Path], None]) -> None:
        """Publish the checkpoint of a step, and remove what is no longer needed.

        `write` writes the tensors; of the `facts` beside them `best_step` names the best model.
        """
        if self._every == "never":
            return
        started = time.perf_counter()

        def both(folder: Path) -> None:
            write(folder)
            write_json(folder / FACTS, {**facts, "event_log_bytes": self._event_log.size})

        place = self._work / CHECKPOINTS
        publish_step(place, step, both)
        keep_only(place, set(steps_of(place)[-KEPT:]))
        drop_beaten(self._work, facts["best_step"])
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - started


def latest(work: Path) -> tuple[Path, dict[str, Any]] | None:
    """The last checkpoint that is whole, and its facts; None: the training begins.

    What cannot be used is removed, so that the training that begins finds an empty place.
    """
    found = next(good_checkpoints(work), None)
    if found is None:
        drop_checkpoints(work)
        return None
    step = int(found[1]["steps"])
    keep_only(work / CHECKPOINTS, {s for s in steps_of(work / CHECKPOINTS) if s <= step})
    return found
