"""A real tracking server that is killed, restarted and frozen while a training runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import Server

from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.live import LiveSync
from alpkd_pipeline.tracking.mlflow_sync import MlflowStore, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

pytestmark = pytest.mark.slow

Make = Callable[..., Any]


@pytest.fixture
def server(tmp_path: Path, database: Path, closed_port: int) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(database.read_bytes())
    server = Server(folder, closed_port)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def remote(server: Server, tmp_path: Path) -> TrackingSettings:
    found = tracking_settings(server.address, "alpkd", tmp_path)
    assert found is not None
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def count(server: Server) -> int:
    return int(server.rows("select count(*) from metrics")[0][0])


def test_a_server_that_is_killed_and_comes_back(
    server: Server, remote: TrackingSettings, training: Make
) -> None:
    made = training().begin().steps(1, 5)
    sync = LiveSync(made.work, remote, poll_seconds=0.2)
    sync.start()
    wait_for(lambda: count(server) == 5 * made.step_points)
    server.kill()
    made.steps(6, 12)
    time.sleep(1.0)
    server.start()
    made.steps(13, 20)
    wait_for(lambda: count(server) == 20 * made.step_points + 2 * made.eval_points)
    sync.finish(made.publish())
    assert server.rows("select status from runs") == [("FINISHED",)]
    assert count(server) == made.whole_points
    assert (made.final / ".mlflow.json").is_file()
    names = {path.name for path in (server.database.parent / "artifacts").rglob("*.json*")}
    assert names == {"run.json", "metrics.json", "events.jsonl"}
    assert server.rows("select count(*) from inputs") == [(2,)]


def test_a_server_that_freezes_when_it_is_to_make_the_run(
    server: Server,
    remote: TrackingSettings,
    training: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It may work through the request later, when the client has long given up."""
    prepare_store(remote)
    real = MlflowStore.create

    def freeze_and_create(self: MlflowStore, *args: Any) -> str:
        server.send(signal.SIGSTOP)
        return real(self, *args)

    made = training().begin().steps(1, 20)
    sync = LiveSync(made.work, remote, poll_seconds=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "create", freeze_and_create)
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
        started = time.monotonic()
        sync.start()
        assert time.monotonic() - started < 1.0
        wait_for(lambda: "takes nothing at the moment" in caplog.text)
        started = time.monotonic()
        sync.finish(made.publish(), seconds=4.0)
        assert time.monotonic() - started < 6.0
    server.send(signal.SIGCONT)
    time.sleep(2.0)
    sync_folder(made.final, remote)
    sync_folder(made.final, remote)
    active = "select status from runs where lifecycle_stage = 'active'"
    assert server.rows(active) == [("FINISHED",)]
    assert count(server) == made.whole_points
