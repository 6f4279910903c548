"""`kedro tune`: search the settings of every method with the same budget, and keep the best."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.commands.params_option import command_line, one_line_errors, read_params
from alpkd_pipeline.commands.sweep import ENGINES, load_configuration, terminated_like_interrupted

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.tuning.run import Tuning


@click.command("tune")
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.option(
    "--params", default="", callback=read_params, help="Parameters of every trial, a.b=1,c=2."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="Trials at the same time; by default as many as the GPUs or the processors allow.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=None,
    help="Trials of each study, instead of the number in tune.yml.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be tried, and stop.")
@click.option(
    "--only",
    default="",
    metavar="WHICH",
    help="Some of the studies: task=mrpc,method=kd|alp_kd,layers=3.",
)
@click.option("--engine", type=click.Choice(ENGINES), default="local", help="Where workers run.")
@click.pass_obj
def tune(
    metadata: object,
    env: str | None,
    params: dict[str, Any],
    workers: int | None,
    trials: int | None,
    dry_run: bool,
    only: str,
    engine: str,
) -> None:
    """Search the space in conf/<env>/tune.yml and write what is best to parameters/tuned.yml."""
    project = Path(getattr(metadata, "project_path", Path.cwd()))
    code, stopped_by = 0, list[int]()
    try:
        with one_line_errors(), terminated_like_interrupted() as stopped_by:
            prepared = _prepare(project, env, params, trials, only)
            if dry_run:
                prepared.tell_plan(engine, workers)
            else:
                code = prepared.run(engine, workers)
    except KeyboardInterrupt:
        code = 130
    if stopped_by and code == 130:
        code = 128 + stopped_by[0]
    if code:
        raise click.exceptions.Exit(code)


def _prepare(
    project: Path, env: str | None, params: dict[str, Any], trials: int | None, only: str
) -> Tuning:
    from alpkd_pipeline.orchestration.sweep.grid import parse_only
    from alpkd_pipeline.orchestration.tuning.run import Tuning, refuse_seeds

    where = parse_only(only)
    refuse_seeds(where)
    loader = load_configuration(project, env, params)
    return Tuning(project, loader, env, where, trials, command_line())
