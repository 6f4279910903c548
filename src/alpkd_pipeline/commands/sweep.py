"""`kedro sweep`: many cells, each made once, in worker processes that stay warm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alpkd_pipeline.commands.common import (
    Project,
    campaign_options,
    command_line,
    project_options,
    to_exit_code,
)

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.sweep.run import Sweep


@click.command("sweep")
@project_options("Parameters of every cell, a.b=1,c=2.")
@campaign_options(
    "Cells",
    "Say what is done, stale and to do, and stop.",
    "A part of the grid: task=mrpc,method=kd|alp_kd,layers=3,seed=0|1.",
)
@click.option("--no-report", is_flag=True, help="Leave out the comparison at the end.")
def sweep(
    project: Project, workers: int | None, dry_run: bool, only: str, engine: str, no_report: bool
) -> None:
    """Make every cell of the grid in conf/<env>/sweep.yml that is not there yet."""

    def work() -> int:
        prepared = _prepare(project, only)
        if dry_run:
            prepared.tell_plan(engine, workers)
            return 0
        return prepared.run(engine, workers, report=not no_report)

    to_exit_code(work)


def _prepare(project: Project, only: str) -> Sweep:
    from alpkd_pipeline.orchestration.sweep.grid import parse_only
    from alpkd_pipeline.orchestration.sweep.run import Sweep

    where = parse_only(only)
    return Sweep(project.root, project.loader, project.env, where, command_line())
