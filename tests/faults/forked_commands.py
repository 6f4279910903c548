"""`kedro` commands in processes that are forked with the imports done: each is a new process."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

from tests.conftest import PROJECT
from tests.faults.forked import Child, fork

WARM = (
    "kedro.framework.cli.cli",
    "kedro.framework.context",
    "kedro.framework.session",
    "kedro.framework.startup",
    "kedro_telemetry.plugin",
    "kedro_viz.integrations.kedro.hooks",
    "kedro_viz.launchers.cli.main",
    "mlflow",
    "matplotlib.figure",
    "matplotlib.backends.backend_svg",
    "pandas",
    "rich.progress",
    "scipy.stats",
    "alpkd_pipeline.cli",
    "alpkd_pipeline.hooks",
    "alpkd_pipeline.pipeline_registry",
    "alpkd_pipeline.commands.pair",
    "alpkd_pipeline.commands.rerun",
    "alpkd_pipeline.commands.run",
    "alpkd_pipeline.commands.sweep",
    "alpkd_pipeline.commands.sync",
    "alpkd_pipeline.datasets.inputs",
    "alpkd_pipeline.datasets.comparison",
    "alpkd_pipeline.datasets.artifact",
    "alpkd_pipeline.project.config_loader",
    "alpkd_pipeline.store.lineage",
    "alpkd_pipeline.reproduce.run",
    "alpkd_pipeline.project.runner",
    "alpkd_pipeline.experiments.sweep",
    "alpkd_pipeline.reporting.comparison",
    "alpkd_pipeline.reporting.statistics.predictions",
    "alpkd_pipeline.tasks.sources.hub",
    "alpkd_pipeline.tracking.folder_sync",
    "alpkd_pipeline.training.dispatch",
)
"""What commands import on their way; nothing of it is run before a fork."""


def warm() -> None:
    """Import it all in this process, so that each fork spares it."""
    for name in WARM:
        importlib.import_module(name)


def start(*arguments: str, log: Path) -> Child:
    """Start `kedro` with some arguments in the project's folder."""

    def work() -> None:
        os.chdir(PROJECT)
        sys.argv = ["kedro", *arguments]
        from kedro.framework.cli.cli import main

        main()

    return fork(work, log)
