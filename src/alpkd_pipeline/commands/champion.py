"""`kedro champion`: which version of a registered model is used, and why."""

from __future__ import annotations

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError


@click.command("champion")
@click.argument("name")
@click.option(
    "--promote",
    is_flag=False,
    flag_value="candidate",
    metavar="[VERSION]",
    help="Make this version the champion if it is not worse and better for something; the candidate"
    " by default.",
)
@click.option("--set", "by_hand", metavar="VERSION", help="Make this version the champion unseen.")
@click.option(
    "--margin",
    type=click.FloatRange(min=0),
    default=1.0,
    show_default=True,
    metavar="POINTS",
    help="What --promote lets the first metric lose, at 95 %; an error in its own unit.",
)
@project_options("Where to look, such as run.tracking=...")
def champion(
    project: Project, name: str, promote: str | None, by_hand: str | None, margin: float
) -> None:
    """Show the versions of the registered model NAME, and which one is its champion.

    What is asked for as models:/NAME@champion changes by --promote and --set alone.
    """
    from alpkd_pipeline.export.champion import Registered
    from alpkd_pipeline.tracking.settings import tracking_settings

    if promote is not None and by_hand is not None:
        raise click.UsageError("--promote and --set exclude one another.")
    run = project.loader.params.run
    settings = tracking_settings(run.tracking, run.experiment, project.root)
    if settings is None:
        raise UserError("tracking is off: set run.tracking in conf/ to sqlite or a server")
    registered = Registered(name, settings)
    if promote is not None:
        click.echo(registered.promote(promote, margin))
    elif by_hand is not None:
        click.echo(registered.set_by_hand(by_hand))
    else:
        click.echo("\n".join(registered.lines()))
