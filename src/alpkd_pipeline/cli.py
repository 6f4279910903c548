"""The project's kedro commands, each imported only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.utils import CONTEXT_SETTINGS, LazyGroup

from alpkd_pipeline.errors import COMMAND_NAMES
from alpkd_pipeline.gc import collect_seldom

# Kedro imports this file in its own programs alone, and its own commands need it as much.
collect_seldom()

OWN_OPTIONS = {*CONTEXT_SETTINGS["help_option_names"], "--version"}
COMMANDS = {name: f"alpkd_pipeline.commands.{name}.{name}" for name in COMMAND_NAMES.split("|")}


@click.group(
    name="alpkd_pipeline",
    cls=LazyGroup,
    lazy_subcommands=COMMANDS,
    context_settings=CONTEXT_SETTINGS,
    epilog="Options without a command, such as --pipelines, --params, --force, are those of run.",
)
@click.version_option(package_name="alpkd_pipeline")
@click.pass_context
def cli(context: click.Context) -> None:
    """Commands of alpkd_pipeline."""
    # Kedro calls its own group alone, so this is said to `alpkd` only.
    place: Path = context.obj.project_path
    words = {word.partition("=")[0] for word in context.obj.words}
    if not (place / "conf").is_dir() and not words & {"--conf-source", *OWN_OPTIONS}:
        raise click.ClickException(
            f"there is no conf/ in {place}: unpack conf-alpkd_pipeline.tar.gz here, which comes"
            " with the package, or go to a folder that has one"
        )


def __getattr__(name: str) -> Any:
    # `python -m alpkd_pipeline` looks for `run` here.
    if name == "run":
        from alpkd_pipeline.commands.run import run

        return run
    raise AttributeError(name)
