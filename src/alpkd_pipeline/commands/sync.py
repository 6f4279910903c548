"""`kedro sync`: bring MLflow up to date with the run folders of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.manifest import read_json
from alpkd_pipeline.runs.run_folder import Work


@click.command("sync")
@click.option("--env", "-e", default=None, help="Kedro configuration environment.")
@click.pass_obj
def sync(metadata: object, env: str | None) -> None:
    """Fill MLflow from finished run folders: those trained while it was away, or elsewhere."""
    from kedro.framework.session import KedroSession

    from alpkd_pipeline.hooks import run_pictures_of
    from alpkd_pipeline.tracking.folder_sync import sync_folder
    from alpkd_pipeline.tracking.settings import tracking_settings

    project = Path(getattr(metadata, "project_path", Path.cwd()))
    with KedroSession.create(project, env=env, save_on_close=False) as opened:
        session: Any = opened
        catalog = session.load_context().catalog
        place, store = catalog.load("tracking"), catalog.load("store")
    settings = tracking_settings(place["tracking"], place["experiment"], project)
    if settings is None:
        raise click.ClickException(
            "tracking is off: set run.tracking in conf/ to a server or sqlite"
        )
    manifests = sorted(store.glob("06_models/*/*/*/manifest.json"))
    folders = [
        m.parent for m in manifests if Work(m.parent, read_json(m.parent / "run.json")).trains
    ]
    try:
        for folder in folders:
            sync_folder(folder, settings, pictures=run_pictures_of)
    except UserError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{len(folders)} runs are in MLflow; open it with: {settings.ui_command}")
