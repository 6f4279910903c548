"""`kedro sync`: bring MLflow up to date with the run folders of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alpkd_pipeline.commands.params_option import advised, one_line_errors, read_params
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import Experiment
from alpkd_pipeline.store.finished import DamagedError, FinishedFolder
from alpkd_pipeline.store.manifest import MANIFEST, listed, read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, Work


@click.command("sync")
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.option(
    "--params",
    default="",
    callback=read_params,
    help="Where to look and where to push to, such as run.store=...,run.tracking=...",
)
@click.pass_obj
def sync(metadata: object, env: str | None, params: dict[str, Any]) -> None:
    """Fill MLflow from run folders: those trained while it was away, or on another machine.

    Runs of sweeps and searches that were killed are closed.
    """
    from alpkd_pipeline.orchestration.sweep.tracked import close_left
    from alpkd_pipeline.steps.tracked import run_pictures_of, settings_of
    from alpkd_pipeline.tracking.folder_sync import sync_folder

    project = Path(getattr(metadata, "project_path", Path.cwd()))
    with one_line_errors():
        experiment = _experiment(project, env, params)
        settings = settings_of(experiment)
    if settings is None:
        raise click.ClickException(
            "tracking is off: set run.tracking in conf/ to sqlite or a server"
        )
    folders, failed, failed_to_close = training_folders(experiment.store), 0, False
    for folder in folders:
        try:
            sync_folder(folder, settings, pictures=run_pictures_of)
        except UserError as error:
            failed += 1
            click.echo(f"Error: {advised(error)}", err=True)
    try:
        for line in close_left(experiment.store, settings):
            click.echo(line)
    except UserError as error:
        failed_to_close = True
        click.echo(f"Error: {error}", err=True)
    click.echo(
        f"{len(folders) - failed} of {len(folders)} runs are in MLflow: {settings.ui_command}"
    )
    if failed or failed_to_close:
        raise click.exceptions.Exit(1)


def _experiment(project: Path, env: str | None, params: dict[str, Any]) -> Experiment:
    from kedro.framework.session import KedroSession

    with KedroSession.create(
        project, env=env, runtime_params=params, save_on_close=False
    ) as opened:
        session: Any = opened
        found: Experiment = session.load_context().catalog.load("experiment")
        return found


def training_folders(store: Path) -> list[Path]:
    """Every run folder of a training, finished or given up."""
    places = [path for kind in listed(store / "06_models") for path in listed(kind)]
    folders = [folder for place in places for folder in listed(place)]
    # A name that starts with a dot: what stepped aside for a newer result.
    found = [f for f in folders if f.name[0] != "." and _is_run(f)]
    return [folder for folder in found if _trains(folder / RUN_CONFIG)]


def _is_run(folder: Path) -> bool:
    return any((folder / name).is_file() for name in (RUN_CONFIG, MANIFEST))


def _trains(run: Path) -> bool:
    folder = FinishedFolder(run.parent)
    try:
        return Work(run.parent, folder.json(run.name) if folder.is_there else read_json(run)).trains
    except DamagedError:
        return True  # which it may be: whoever reads it says what is wrong
    except (OSError, ValueError) as error:
        click.echo(f"left out: {run} cannot be read ({error})", err=True)
        return False
