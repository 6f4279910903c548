"""`kedro verify`: is everything in the store what was written?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpkd_pipeline.commands.one_line import one_line_errors
from alpkd_pipeline.commands.params_option import read_params
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.program import as_typed

if TYPE_CHECKING:
    from alpkd_pipeline.orchestration.config_loader import CellConfigLoader


@click.command("verify")
@click.argument(
    "paths", nargs=-1, type=click.Path(exists=True, path_type=Path), metavar="[PATH]..."
)
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.option(
    "--params", default="", callback=read_params, help="Where to look, such as run.store=..."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_obj
def verify(
    metadata: object,
    paths: tuple[Path, ...],
    env: str | None,
    params: dict[str, Any],
    as_json: bool,
) -> None:
    """Compare every file of the store with its hash and every key with the others.

    PATH: look only at what lies below these folders of the store. Nothing is changed. The exit
    code is 1 if something is damaged, missing or mismatched.
    """
    from alpkd_pipeline.orchestration.integrity.progress import ByteProgress
    from alpkd_pipeline.orchestration.integrity.verify import verify_store
    from alpkd_pipeline.orchestration.integrity.words import report_lines

    project = Path(getattr(metadata, "project_path", Path.cwd()))
    progress = ByteProgress()
    try:
        with one_line_errors():
            report = verify_store(configured_store(project, env, params)[0], paths, progress)
    finally:
        progress.close()
    lines = [json.dumps(report.plain(), indent=2)] if as_json else report_lines(report)
    for line in lines:
        click.echo(as_typed(line))
    if "store" in params.get("run", {}) and any(finding.do for finding in report.findings):
        click.echo(f"the commands need run.store={report.store} in their --params", err=True)
    if not report.is_sound:
        raise click.exceptions.Exit(1)


def configured_store(
    project: Path, env: str | None, params: dict[str, Any]
) -> tuple[Path, CellConfigLoader]:
    """The folder of all results, and the configuration; its other parameters need not be possible.

    Raises:
        UserError: there is no such folder.
    """
    from alpkd_pipeline.commands.sweep import load_configuration
    from alpkd_pipeline.orchestration.cell import Cell

    loader = load_configuration(project, env, params)
    store = Cell(loader.params, project).store
    if not store.is_dir():
        raise UserError(f"there is no store {store}: `kedro run` makes it, or set run.store")
    return store, loader
