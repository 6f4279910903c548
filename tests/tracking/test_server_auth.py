"""A real tracking server that asks for a password."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import tracking_settings

pytestmark = pytest.mark.slow

PASSWORD = "canary-of-the-admin"


@pytest.fixture
def address(tmp_path: Path, database: Path, closed_port: int) -> Iterator[str]:
    pytest.importorskip("flask_wtf", reason="needs mlflow[auth]")
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(database.read_bytes())
    address = f"http://127.0.0.1:{closed_port}"
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth"]
    command += ["--workers", "1", "--port", str(closed_port), "--backend-store-uri"]
    secret = {"MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD, "MLFLOW_FLASK_SERVER_SECRET_KEY": "s" * 32}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "sqlite:///mlflow.db", "--artifacts-destination", str(folder / "artifacts")],
            cwd=folder,
            env={**os.environ, **secret},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            wait_for_health(address, process, folder / "server.log")
            yield address
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def wait_for_health(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


@pytest.fixture
def log_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    def log_in(user: str, password: str) -> None:
        prepare_store.cache_clear()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)

    return log_in


def test_a_sync_with_and_without_a_password(
    address: str, training: Callable[..., Any], tmp_path: Path, log_in: Callable[[str, str], None]
) -> None:
    folder = training().whole()
    settings = tracking_settings(address, "alpkd-auth", tmp_path)
    assert settings is not None
    prepare_store.cache_clear()
    with pytest.raises(UserError) as nobody:
        sync_folder(folder, settings)
    log_in("admin", "canary-that-is-wrong")
    with pytest.raises(UserError) as wrong:
        sync_folder(folder, settings)
    for error in (nobody, wrong):
        assert "canary" not in str(error.value)
        assert "not authenticated" in str(error.value) or "401" in str(error.value)
    log_in("admin", PASSWORD)
    sync_folder(folder, settings)
    assert '"finished": true' in (folder / ".mlflow.json").read_text()
    assert not any(b"canary" in path.read_bytes() for path in folder.rglob("*") if path.is_file())
