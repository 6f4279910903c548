"""Everything that a training needs to go on as if it had never stopped, as one file of tensors.

The model, what the method learns, AdamW's moments and the random generators. Nothing is pickled:
tensors lie in a safetensors file, numbers in JSON, and both are checked against their hashes before
they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from alpkd_pipeline.training.random_state import random_state, restore_random_state

TENSORS = "state.safetensors"

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def write_tensors(
    folder: Path,
    model: nn.Module,
    parameters: Iterable[nn.Parameter],
    optimiser: torch.optim.Optimizer,
    sums: Mapping[str, Tensor],
) -> None:
    """Write `state.safetensors`.

    Args:
        folder: where.
        model: the model in training, with its buffers.
        parameters: everything that is trained, in a fixed order; the method's too.
        optimiser: AdamW over these parameters.
        sums: running sums of the loop, by name.
    """
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
    groups = _grouped(load_file(folder / TENSORS))
    buffers, trained = _buffers(model), list(parameters)
    with torch.no_grad():
        for name, value in groups.get("buffers", {}).items():
            buffers[name].copy_(value)
        for i, parameter in enumerate(trained):
            parameter.copy_(groups["trained"][str(i)])
    _restore_moments(optimiser, trained, groups.get("moments", {}))
    restore_random_state(groups["random"])
    return groups.get("sums", {})


def _buffers(model: nn.Module) -> dict[str, Tensor]:
    """What the model saves and does not train."""
    trained = {name for name, _ in model.named_parameters()}
    return {name: value for name, value in model.state_dict().items() if name not in trained}


def _restore_moments(
    optimiser: torch.optim.Optimizer, trained: list[nn.Parameter], found: Mapping[str, Tensor]
) -> None:
    numbers = {id(parameter): str(i) for i, parameter in enumerate(trained)}
    order = [p for group in optimiser.param_groups for p in group["params"]]
    state = {}
    for place, parameter in enumerate(order):
        i = numbers[id(parameter)]
        if f"{i}.step" in found:
            state[place] = {name: found[f"{i}.{name}"] for name in _MOMENTS}
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _grouped(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        groups.setdefault(kind, {})[rest] = value
    return groups
