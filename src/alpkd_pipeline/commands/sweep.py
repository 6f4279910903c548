"""`kedro sweep`: many experiments, each made once, in worker processes that stay warm."""

from __future__ import annotations

import click

from alpkd_pipeline.commands.common import (
    Project,
    campaign_options,
    command_line,
    project_options,
    stoppable,
)


@click.command("sweep")
@project_options("Parameters of every experiment, a.b=1,c=2.")
@campaign_options(
    "Cells",
    "Say what is done, stale and to do, and stop.",
    "A part of the grid: task=mrpc,method=kd|alp_kd,layers=3,seed=0|1.",
)
@click.option("--no-report", is_flag=True, help="Leave out the comparison at the end.")
@stoppable
def sweep(
    project: Project, workers: int | None, dry_run: bool, only: str, engine: str, no_report: bool
) -> int:
    """Make every experiment of the grid in conf/<env>/sweep.yml that is not there yet."""
    from alpkd_pipeline.coordinates import parse_only
    from alpkd_pipeline.experiments.sweep import Sweep

    where, report = parse_only(only), not no_report
    planned = Sweep(project.root, project.loader, project.env, where, command_line(), report=report)
    return (planned.tell_plan if dry_run else planned.run)(engine, workers)
