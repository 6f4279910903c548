"""An initialised tracking database for tests to copy: making one takes seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import tracking_settings


def initialised_database(temporary: pytest.TempPathFactory) -> Path:
    """The database of this test session, made by whichever worker comes first."""
    base = temporary.getbasetemp()
    # Workers have folders of their own below the session's.
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "initialised-database"
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            folder.mkdir(exist_ok=True)
            settings = tracking_settings("sqlite", "template", folder)
            assert settings is not None
            prepare_store(settings)
            (folder / "ready").touch()
    return folder / "mlflow.db"
