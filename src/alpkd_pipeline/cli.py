"""The project's kedro commands, each imported only when it is called."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS, LazyGroup

from alpkd_pipeline.garbage import collect_seldom

# Kedro imports this file in its own programs alone, and its own commands need it as much.
collect_seldom()

COMMANDS = {
    "catalog": "alpkd_pipeline.commands.catalog.catalog",
    "pair": "alpkd_pipeline.commands.pair.pair",
    "prune": "alpkd_pipeline.commands.prune.prune",
    "rerun": "alpkd_pipeline.commands.rerun.rerun",
    "run": "alpkd_pipeline.commands.run.run",
    "schedule": "alpkd_pipeline.commands.schedule.schedule",
    "sweep": "alpkd_pipeline.commands.sweep.sweep",
    "sync": "alpkd_pipeline.commands.sync.sync",
    "tune": "alpkd_pipeline.commands.tune.tune",
    "verify": "alpkd_pipeline.commands.verify.verify",
}


@click.group(
    name="alpkd_pipeline",
    cls=LazyGroup,
    lazy_subcommands=COMMANDS,
    context_settings=CONTEXT_SETTINGS,
)
def cli() -> None:
    """Commands of alpkd_pipeline."""


def __getattr__(name: str) -> Any:
    # `python -m alpkd_pipeline` looks for `run` here.
    if name == "run":
        from alpkd_pipeline.commands.run import run

        return run
    raise AttributeError(name)
