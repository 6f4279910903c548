"""The engine that a sweep or a search runs on."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.orchestration.sweep.jobs import Engine
from alpkd_pipeline.orchestration.sweep.local_engine import LocalEngine, default_workers, gpus_for
from alpkd_pipeline.orchestration.sweep.spec import RayOptions
from alpkd_pipeline.params import Params

ENGINES = ("local", "ray")


def make_engine(
    name: str,
    project: Path,
    env: str | None,
    cells: Iterable[Params],
    workers: int | None,
    *,
    cells_per_gpu: int = 1,
    ray: RayOptions | None = None,
    most: int | None = None,
    say: Callable[[str], None] = click.echo,
) -> Engine:
    """An engine that is not started yet; call its `stop` in any case.

    Args:
        name: one of `ENGINES`.
        project: the project's root.
        env: the configuration environment.
        cells: the parameters of what will run, to see what it takes.
        workers: how many jobs run at once; None takes what this machine has.
        cells_per_gpu: workers that share a GPU, where `workers` is None.
        ray: where Ray runs, and how much of a GPU a cell gets.
        most: never more workers than this.
        say: takes lines about waiting for machines.

    Raises:
        UserError: there is no such engine, or it is not installed.
    """
    blocks = [block for p in cells for block in (p.training, p.teacher.training)]
    gpus = gpus_for(block.device for block in blocks)
    count = workers or default_workers(gpus, cells_per_gpu, (block.threads for block in blocks))
    count = max(1, min(count, most)) if most is not None else count
    if name == "local":
        return LocalEngine(project, env, count, gpus=gpus)
    if name != "ray":
        raise UserError(f"unknown engine '{name}'; known: {', '.join(ENGINES)}")
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "--engine ray needs the extra [ray]: pip install -c constraints.txt '.[ray]'"
        )
    from alpkd_pipeline.orchestration.sweep.ray_engine import RayEngine

    options = ray or RayOptions()
    return RayEngine(project, env, count, options.gpus_per_cell, options.address, say=say)
