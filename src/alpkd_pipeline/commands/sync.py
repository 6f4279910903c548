"""`kedro sync`: bring MLflow up to date with the run folders of the store."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from alpkd_pipeline.commands.common import Project, project_options
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.artifact import ResolvedExperiment
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS
from alpkd_pipeline.store.lineage import with_commands
from alpkd_pipeline.store.manifest import listed, read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, DamagedError, RunFolder


@click.command("sync")
@project_options("Where to look and where to push to, such as run.store=...,run.tracking=...")
def sync(project: Project) -> int:
    """Fill MLflow from run folders: those trained while it was away, or on another machine.

    Runs of sweeps and searches that were killed are closed.
    """
    from alpkd_pipeline.experiments.campaign import close_left
    from alpkd_pipeline.project.config_loader import conf_store
    from alpkd_pipeline.steps.step import run_pictures_of, settings_of
    from alpkd_pipeline.tracking.folder_sync import sync_folder

    experiment: ResolvedExperiment = project.context.catalog.load("experiment")
    settings = settings_of(experiment)
    if settings is None:
        raise click.ClickException(
            "tracking is off: set run.tracking in conf/ to sqlite or a server"
        )
    folders, failed, code = training_folders(experiment.store), 0, 0
    for folder in folders:
        try:
            sync_folder(folder, settings, pictures=run_pictures_of)
        except UserError as error:
            failed, code = failed + 1, 1
            click.echo(
                f"Error: {with_commands(error, partial(conf_store, project.root))}", err=True
            )
    try:
        for line in close_left(experiment.store, settings):
            click.echo(line)
    except UserError as error:
        code = 1
        click.echo(f"Error: {error}", err=True)
    click.echo(
        f"{len(folders) - failed} of {len(folders)} runs are in MLflow: {settings.ui_command}"
    )
    return code


def training_folders(store: Path) -> list[Path]:
    """Every run folder of a training, finished or given up."""
    places = [path for kind in (TEACHERS, STUDENTS) for path in listed(store / kind)]
    folders = [folder for place in places for folder in listed(place)]
    # A name that starts with a dot: what stepped aside for a newer result.
    return [folder for folder in folders if folder.name[0] != "." and _trains(folder)]


def _trains(folder: Path) -> bool:
    sealed, run = RunFolder(folder), folder / RUN_CONFIG
    if not sealed.is_there and not run.is_file():
        return False
    try:
        return Work(folder, sealed.run if sealed.is_there else read_json(run)).trains
    except DamagedError:
        return True  # which it may be: whoever reads it says what is wrong
    except (OSError, ValueError) as error:
        click.echo(f"left out: {run} cannot be read ({error})", err=True)
        return False
