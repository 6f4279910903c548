from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.tracking import live
from alpkd_pipeline.tracking.folder_sync import FolderSync, sync_folder
from alpkd_pipeline.tracking.live import LiveSync
from alpkd_pipeline.tracking.mlflow_sync import load_mlflow
from alpkd_pipeline.tracking.settings import TrackingSettings, read_state

Rows = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Any]

POLL = 0.05


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def count(rows: Rows) -> int:
    return int(rows("select count(*) from metrics")[0][0])


@pytest.fixture
def away(settings: TrackingSettings, closed_port: int) -> TrackingSettings:
    uri = f"http://u:c4n4ry@127.0.0.1:{closed_port}"
    found = replace(settings, uri=uri, artifact_root=None)
    load_mlflow(found)  # once per process; not what these tests measure
    return found


def test_lines_appear_while_training_runs(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    made = training()
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()  # the work folder does not exist yet
    made.begin().steps(1, 5)
    wait_for(lambda: count(rows) == 5 * made.step_points)
    assert rows("select status from runs") == [("RUNNING",)]
    made.steps(6, 20)
    wait_for(lambda: count(rows) == 20 * made.step_points + 2 * made.eval_points)
    sync.finish(made.publish())
    assert count(rows) == made.whole_points
    assert rows("select status from runs") == [("FINISHED",)]
    assert read_state(made.final).finished
    assert not made.work.exists()


def test_live_and_later_give_the_same(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 20)
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()
    sync.finish(made.publish())
    live_points = rows("select key, value, timestamp, step from metrics order by 1, 3, 4")
    sync_folder(made.final, settings)
    assert count(rows) == made.whole_points
    sync_folder(made.final, replace(settings, experiment="later"))
    later = rows(
        "select key, value, timestamp, step from metrics where run_uuid ="
        " (select run_uuid from runs where experiment_id ="
        " (select experiment_id from experiments where name = 'later')) order by 1, 3, 4"
    )
    assert later == live_points


@pytest.mark.parametrize(
    ("reason", "status", "text"),
    [
        (
            ValueError("the loss became nan\nmore"),
            "FAILED",
            "ValueError: the loss became nan",
        ),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
        (SystemExit(143), "KILLED", "SystemExit: 143"),
    ],
)
def test_a_training_that_stops(
    settings: TrackingSettings,
    training: Make,
    rows: Rows,
    reason: BaseException,
    status: str,
    text: str,
) -> None:
    made = training().begin().steps(1, 2)
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()
    sync.fail(reason)
    assert rows("select status from runs") == [(status,)]
    assert dict(rows("select key, value from tags"))["error"] == text
    assert count(rows) == 2 * made.step_points


def test_a_resumed_training_is_running_again(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 2)
    first = LiveSync(made.work, settings, poll_seconds=POLL)
    first.start()
    first.fail(KeyboardInterrupt())
    second = LiveSync(made.work, settings, poll_seconds=POLL)
    second.start()
    wait_for(lambda: rows("select status from runs") == [("RUNNING",)])
    made.steps(3, 20)
    second.finish(made.publish())
    assert rows("select status from runs") == [("FINISHED",)]
    assert count(rows) == made.whole_points


def test_a_server_that_is_away_costs_a_moment_and_is_told_once(
    settings: TrackingSettings,
    away: TrackingSettings,
    training: Make,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = training().begin()
    sync = LiveSync(made.work, away, poll_seconds=0.01)
    started = time.monotonic()
    sync.start()
    assert time.monotonic() - started < 1.0
    for step in range(1, 21):
        made.steps(step, step)
        time.sleep(0.01)
    wait_for(lambda: "takes nothing at the moment" in caplog.text)
    started = time.monotonic()
    sync.finish(made.publish())
    assert time.monotonic() - started < 8.0
    assert caplog.text.count("takes nothing at the moment") == 1
    assert "`kedro sync` catches up later" in caplog.text
    assert "c4n4ry" not in caplog.text
    assert not made.work.exists()
    sync_folder(made.final, settings)
    assert count(rows) == made.whole_points


def test_a_failure_while_the_server_is_away_is_told_later(
    settings: TrackingSettings, away: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 2)
    sync = LiveSync(made.work, away, poll_seconds=POLL)
    sync.start()
    sync.fail(ValueError("http://u:c4n4ry@host does not answer"))
    assert b"c4n4ry" not in (made.work / ".mlflow.json").read_bytes()
    sync_folder(made.work, settings)
    assert rows("select status from runs") == [("FAILED",)]


def test_a_store_that_works_again_is_told_once(
    settings: TrackingSettings,
    training: Make,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, left = FolderSync.catch_up, iter(range(4))

    def flaky(self: FolderSync) -> str | None:
        if next(left, None) is not None:
            raise ConnectionError("refused by http://u:c4n4ry@host")
        return real(self)

    monkeypatch.setattr(FolderSync, "catch_up", flaky)
    made = training().begin().steps(1, 2)
    sync = LiveSync(made.work, settings, poll_seconds=0.01)
    with caplog.at_level(logging.INFO, logger=live.__name__):
        sync.start()
        wait_for(lambda: "works again" in caplog.text)
        sync.finish(made.steps(3, 20).publish())
    assert caplog.text.count("takes nothing at the moment") == 1
    assert caplog.text.count("works again") == 1
    assert "c4n4ry" not in caplog.text
    assert count(rows) == made.whole_points


def test_a_store_that_hangs_is_not_waited_for(
    settings: TrackingSettings,
    training: Make,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hang(self: FolderSync, *args: object) -> None:
        time.sleep(3.0)

    monkeypatch.setattr(FolderSync, "catch_up", hang)
    made = training().begin().steps(1, 20)
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()
    folder = made.publish()
    started = time.monotonic()
    sync.finish(folder, seconds=0.2)
    assert time.monotonic() - started < 2.0
    assert "does not have all of alp_kd-3L-s1-a1a1a1a1.work yet" in caplog.text
    assert sync._thread is not None
    sync._thread.join()  # it works on, and would meet what later tests put in its way


def test_a_broken_mlflow_does_not_stop_a_training(
    settings: TrackingSettings,
    training: Make,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(settings: TrackingSettings) -> None:
        raise ImportError("no module")

    monkeypatch.setattr(live, "load_mlflow", broken)
    made = training().begin()
    sync = LiveSync(made.work, settings)
    sync.start()
    assert "is not tracked while it runs: ImportError: no module" in caplog.text
    sync.fail(ValueError("why"))
    sync.finish(made.publish())
    assert "(ImportError: no module); nothing is lost" in caplog.text
    assert caplog.text.count("`kedro sync` catches up later, once that is mended") == 2


def test_a_failure_before_there_is_a_folder(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training()
    made.work.parent.mkdir(parents=True)
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()
    sync.fail(ValueError("nothing to train on"))
    assert rows("select count(*) from runs") == [(0,)]
    assert not made.work.exists()


def test_an_unwritable_folder_only_warns(
    settings: TrackingSettings,
    training: Make,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alpkd_pipeline.tracking.folder_sync.write_state", full)
    made = training().begin().steps(1, 2)
    sync = LiveSync(made.work, settings, poll_seconds=POLL)
    sync.start()
    sync.fail(ValueError("why"))
    assert "its failure could not be noted" in caplog.text
    shutil.rmtree(made.work)
