"""`kedro sweep`: many cells, each made once, in worker processes that stay warm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.commands.params_option import command_line, one_line_errors, read_params

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.config_loader import CellConfigLoader
    from alpkd_pipeline.orchestration.sweep.run import Sweep

ENGINES = ("local", "ray")


@click.command("sweep")
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.option(
    "--params", default="", callback=read_params, help="Parameters of every cell, a.b=1,c=2."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="Cells at the same time; by default as many as the GPUs or the processors allow.",
)
@click.option("--dry-run", is_flag=True, help="Say what is done, stale and to do, and stop.")
@click.option(
    "--only",
    default="",
    metavar="WHICH",
    help="A part of the grid: task=mrpc,method=kd|alp_kd,layers=3,seed=0|1.",
)
@click.option("--engine", type=click.Choice(ENGINES), default="local", help="Where workers run.")
@click.option("--no-report", is_flag=True, help="Leave out the comparison at the end.")
@click.pass_obj
def sweep(
    metadata: object,
    env: str | None,
    params: dict[str, Any],
    workers: int | None,
    dry_run: bool,
    only: str,
    engine: str,
    no_report: bool,
) -> None:
    """Make every cell of the grid in conf/<env>/sweep.yml that is not there yet."""
    project = Path(getattr(metadata, "project_path", Path.cwd()))
    code, stopped_by = 0, list[int]()
    try:
        with one_line_errors(), terminated_like_interrupted() as stopped_by:
            prepared = _prepare(project, env, params, only)
            if dry_run:
                prepared.tell_plan(engine, workers)
                return
            code = prepared.run(engine, workers, report=not no_report)
    except KeyboardInterrupt:
        code = 130
    if stopped_by and code == 130:
        code = 128 + stopped_by[0]
    if code:
        raise click.exceptions.Exit(code)


def _prepare(project: Path, env: str | None, params: dict[str, Any], only: str) -> Sweep:
    from alpkd_pipeline.orchestration.sweep.grid import parse_only
    from alpkd_pipeline.orchestration.sweep.run import Sweep

    where, loader = parse_only(only), load_configuration(project, env, params)
    return Sweep(project, loader, env, where, command_line())


def load_configuration(project: Path, env: str | None, params: dict[str, Any]) -> CellConfigLoader:
    """The project's configuration with the parameters of the command line."""
    from kedro.framework.session import KedroSession

    with KedroSession.create(
        project, env=env, runtime_params=params, save_on_close=False
    ) as opened:
        session: Any = opened
        loader: CellConfigLoader = session.load_context().config_loader
    return loader


@contextmanager
def terminated_like_interrupted() -> Iterator[list[int]]:
    """Let SIGTERM stop workers and print the table as Ctrl-C does; gives the signals that came."""
    came: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield came
    finally:
        signal.signal(signal.SIGTERM, before)
