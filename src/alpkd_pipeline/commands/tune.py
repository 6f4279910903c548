"""`kedro tune`: search the settings of every method with the same budget, and keep the best."""

from __future__ import annotations

import click

from alpkd_pipeline.commands.common import (
    Project,
    campaign_options,
    command_line,
    project_options,
    stoppable,
)


@click.command("tune")
@project_options("Parameters of every trial, a.b=1,c=2.")
@campaign_options(
    "Trials",
    "Say what would be tried, and stop.",
    "Some of the studies: task=mrpc,method=kd|alp_kd,layers=3.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    help="Trials of each study, instead of the number in tune.yml.",
)
@stoppable
def tune(
    project: Project, workers: int | None, trials: int | None, dry_run: bool, only: str, engine: str
) -> int:
    """Search the space in conf/<env>/tune.yml and write what is best to parameters/tuned.yml."""
    from alpkd_pipeline.coordinates import parse_only
    from alpkd_pipeline.experiments.tuning.run import Tuning, refuse_seeds

    where = parse_only(only)
    refuse_seeds(where)
    planned = Tuning(project.root, project.loader, project.env, where, command_line(), trials)
    return (planned.tell_plan if dry_run else planned.run)(engine, workers)
