"""`kedro catalog`: Kedro's own commands, with the folders that the parameters give each dataset."""

from __future__ import annotations

from typing import Any

import click
from kedro.framework.cli.catalog import catalog as kedro_catalog
from kedro.framework.cli.catalog import describe_datasets as kedro_describe

from alpkd_pipeline.commands.common import one_line_errors, read_params


def describe_callback(params: dict[str, Any], **options: Any) -> None:
    """Describe the datasets of a pipeline by type, and say in which folder each result lies."""
    assert kedro_describe.callback is not None
    kedro_describe.callback(**options)
    with one_line_errors():
        from alpkd_pipeline.project.config_loader import project_context

        found = project_context(None, options["env"], params).catalog
        paths = {name: getattr(found.get(name), "path", None) for name in sorted(found.keys())}
    click.echo("paths:")
    for name, path in paths.items():
        if path is not None:
            click.echo(f"  {name}: {path}")


PARAMS = click.Option(["--params"], default="", callback=read_params, help="Such as seed=3.")

catalog = click.Group("catalog", help=kedro_catalog.help, commands=dict(kedro_catalog.commands))
catalog.add_command(
    click.Command(
        "describe-datasets",
        params=[*kedro_describe.params, PARAMS],
        callback=describe_callback,
        help=describe_callback.__doc__,
    )
)
