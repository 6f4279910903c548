"""Everything that a training needs to go on as if it had never stopped, as one file of tensors.

The model, what the method learns, AdamW's moments and the random generators. Nothing is pickled:
tensors lie in a safetensors file, numbers in JSON, both checked by their hashes before a read.
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

from alpkd_pipeline.store import checkpoints
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.manifest import write_json

TENSORS = "state.safetensors"

SHARE = 0.02
"""With `auto`, the most of a training's time that goes into saving."""

LONGEST = 300.0
"""With `auto`, seconds after which it saves in the middle of an epoch."""


def random_state() -> dict[str, Tensor]:
    """The states of Python's, NumPy's and torch's generators, on the CPU and on every GPU."""
    version, words, gauss = random.getstate()
    assert version == 3
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    assert name == "MT19937"
    found = {
        "python": torch.tensor(words, dtype=torch.int64),
        "python.gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.from_numpy(np.asarray(keys, dtype=np.int64)),
        "numpy.rest": torch.tensor([position, has_gauss, cached], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return found | {f"cuda.{i}": state for i, state in enumerate(states)}


def restore_random_state(state: dict[str, Tensor]) -> None:
    """Put every generator back; those of GPUs that this machine lacks are left out."""
    gauss = state["python.gauss"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), gauss[0] if gauss else None))
    position, has_gauss, cached = state["numpy.rest"].tolist()
    keys = state["numpy"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), cached))
    torch.set_rng_state(state["torch"].to(torch.uint8))
    for device in range(torch.cuda.device_count()):
        if (values := state.get(f"cuda.{device}")) is not None:
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
    """Put model, parameters, moments and generators back as written; gives the running sums."""
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
        place: {name: moments[f"{i}.{name}"] for name in ("step", "exp_avg", "exp_avg_sq")}
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


class Saver:
    """Publishes a training's checkpoints; each remembers how long the event log is.

    `every` so many steps, and at each epoch's end; `auto` by the clock, so that saving takes no
    more than `SHARE` of the time; or `never`.
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
        return self._cost <= SHARE * waited and (epoch_ends or waited >= LONGEST)

    def save(self, step: int, facts: dict[str, Any], write: Callable[[Path], None]) -> None:
        """Publish the checkpoint of a step, and remove what is no longer needed.

        `write` writes the tensors; of the `facts` beside them `best_step` names the best model.
        """
        if self._every == "never":
            return
        started = time.perf_counter()

        def both(folder: Path) -> None:
            write(folder)
            write_json(
                folder / checkpoints.FACTS, {**facts, "event_log_bytes": self._event_log.size}
            )

        saved = self._work / checkpoints.CHECKPOINTS
        checkpoints.publish_step(saved, step, both)
        checkpoints.keep_only(saved, set(checkpoints.steps_of(saved)[-checkpoints.KEPT :]))
        checkpoints.drop_beaten(self._work, facts["best_step"])
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - started


def latest(work: Path) -> tuple[Path, dict[str, Any]] | None:
    """The last whole checkpoint and its facts, or None; what cannot be used is removed."""
    found = next(checkpoints.good_checkpoints(work), None)
    if found is None:
        checkpoints.drop_checkpoints(work)
        return None
    saved, step = work / checkpoints.CHECKPOINTS, int(found[1]["steps"])
    checkpoints.keep_only(saved, {s for s in checkpoints.steps_of(saved) if s <= step})
    return found
