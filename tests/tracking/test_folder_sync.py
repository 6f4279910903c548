from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking import folder_sync
from alpkd_pipeline.tracking.folder_sync import FolderSync, sync_folder
from alpkd_pipeline.tracking.mlflow_sync import MlflowStore, prepare_store
from alpkd_pipeline.tracking.points import Point
from alpkd_pipeline.tracking.settings import STATE_FILE, Ended, TrackingSettings, read_state

Rows = Callable[..., list[tuple[Any, ...]]]
Make = Callable[..., Any]


def everything(rows: Rows) -> list[list[tuple[Any, ...]]]:
    """All that a database knows of runs, except in which order it was told."""
    tables = ("runs", "metrics", "latest_metrics", "params", "tags", "inputs", "datasets")
    return [sorted(rows(f"select * from {table}"), key=repr) for table in tables]


def status(rows: Rows) -> list[str]:
    return [value for (value,) in rows("select status from runs order by start_time")]


def test_a_finished_folder(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    made = training()
    folder = made.whole()
    run_id = sync_folder(folder, settings, lambda final: {"attention.png": b"png"})
    assert rows("select run_uuid, name, status, start_time, end_time from runs") == [
        (run_id, "mrpc-6to3-alp_kd-s1", "FINISHED", 1700000000250, 1700000100250)
    ]
    assert rows("select count(*) from metrics") == [(made.whole_points,)]
    steps = rows("select step from metrics where key = 'loss/total' order by step")
    assert steps == [(step,) for step in range(1, 21)]
    scores = rows("select step, value from metrics where key = 'dev/accuracy' order by step")
    assert scores == [(10, 0.6), (20, 0.7)]
    assert rows("select value from metrics where key = 'best.epoch'") == [(2,)]
    assert rows("select value from params where key = 'method.scale'") == [("sqrt_d",)]
    tags = dict(rows("select key, value from tags"))
    assert tags["stage"] == "student"
    assert tags["hardware"] == "cpu, x86, fp32, 1 thread"
    assert "Folder: `students/mrpc/alp_kd-3L-s1-a1a1a1a1`" in tags["mlflow.note.content"]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert tags["model_sha256"] == manifest["files"]["model.safetensors"]["sha256"]
    assert sorted(rows("select name from datasets")) == [("mrpc-dev",), ("mrpc-train",)]
    artifacts = next((tmp_path / "mlartifacts").glob("*/artifacts"))
    assert {path.name: path.stat().st_size for path in artifacts.iterdir()} == {
        "attention.png": 3,
        "run.json": (folder / "run.json").stat().st_size,
        "metrics.json": (folder / "metrics.json").stat().st_size,
        "events.jsonl": (folder / "events.jsonl").stat().st_size,
    }


def test_twice_is_once(settings: TrackingSettings, training: Make, rows: Rows) -> None:
    folder = training().whole()
    run_id = sync_folder(folder, settings)
    before = everything(rows)
    assert sync_folder(folder, settings) == run_id
    assert everything(rows) == before


def test_a_lost_state_changes_nothing(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    folder = training().whole()
    run_id = sync_folder(folder, settings)
    before = everything(rows)
    (folder / STATE_FILE).unlink()
    assert sync_folder(folder, settings) == run_id
    assert everything(rows) == before


def test_a_lost_state_during_training_changes_nothing(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 12)
    run_id = sync_folder(made.work, settings)
    (made.work / STATE_FILE).unlink()
    made.steps(13, 20)
    assert sync_folder(made.work, settings) == run_id
    assert sync_folder(made.publish(), settings) == run_id
    assert rows("select count(*) from metrics") == [(made.whole_points,)]


@pytest.mark.parametrize("cut_after", range(1, 10))
def test_a_sync_that_breaks_off_anywhere_goes_on(
    settings: TrackingSettings,
    training: Make,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    cut_after: int,
) -> None:
    """Every request to the store may be the last one that is made, with or without its effect."""
    made = training()
    folder = made.whole()
    prepare_store(settings)
    changing = [
        "create",
        "log_points",
        "log_params",
        "set_tags",
        "log_datasets",
        "log_files",
        "end",
    ]
    left = [cut_after]

    def breaking(name: str) -> Callable[..., Any]:
        real = getattr(MlflowStore, name)

        def call(self: MlflowStore, *args: Any) -> Any:
            left[0] -= 1
            result = real(self, *args)
            if left[0] == 0:
                raise ConnectionError("the answer was lost")
            return result

        return call

    for name in changing:
        monkeypatch.setattr(MlflowStore, name, breaking(name))
    with pytest.raises(UserError, match="the answer was lost; nothing is lost"):
        sync_folder(folder, settings)
    assert status(rows) == ["FINISHED" if cut_after == 9 else "RUNNING"]
    sync_folder(folder, settings)
    assert status(rows) == ["FINISHED"]
    assert rows("select count(*) from metrics") == [(made.whole_points,)]
    assert rows("select count(*) from inputs") == [(2,)]
    assert dict(rows("select key, value from params"))["seed"] == "1"


def test_a_training_at_work_is_running(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 3)
    sync_folder(made.work, settings)
    assert status(rows) == ["RUNNING"]
    assert rows("select count(*) from metrics") == [(3 * made.step_points,)]
    made.write({"event": "step", "time": 1.0, "step": 4, "loss": {"total": 0.5}})
    with (made.work / "events.jsonl").open("a") as file:
        file.write('{"event": "step", "time": 2')
    sync_folder(made.work, settings)
    assert rows("select max(step) from metrics") == [(4,)]


def test_a_folder_without_a_training_has_no_run(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    made = training().begin()
    (made.work / "events.jsonl").unlink()
    assert sync_folder(made.work, settings) is None
    assert sync_folder(tmp_path / "nowhere", settings) is None
    assert rows("select count(*) from runs") == [(0,)]


def test_a_copied_folder_finds_its_run(
    settings: TrackingSettings, training: Make, rows: Rows, tmp_path: Path
) -> None:
    folder = training().whole()
    run_id = sync_folder(folder, settings)
    copy = tmp_path / "elsewhere" / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(STATE_FILE))
    assert sync_folder(copy, settings) == run_id
    assert status(rows) == ["FINISHED"]


def test_another_experiment_gets_everything_too(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training()
    folder = made.whole()
    sync_folder(folder, settings)
    sync_folder(folder, replace(settings, experiment="other"))
    assert rows("select count(*) from metrics") == [(2 * made.whole_points,)]
    assert status(rows) == ["FINISHED", "FINISHED"]


def test_a_database_that_was_deleted_is_filled_again(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training()
    folder = made.whole()
    sync_folder(folder, settings)
    store = prepare_store(settings)
    store.client.rename_experiment(store.experiment_id, "lost")
    prepare_store.cache_clear()
    sync_folder(folder, settings)
    assert rows("select count(*) from metrics") == [(2 * made.whole_points,)]


@pytest.mark.parametrize("seen_short", [True, False], ids=["seen", "grown-again"])
def test_a_resumed_training_keeps_its_run(
    settings: TrackingSettings, training: Make, rows: Rows, seen_short: bool
) -> None:
    """The event log was cut back to a checkpoint; steps 9 to 12 come a second time."""
    made = training().begin().steps(1, 12)
    sync = FolderSync(made.work, settings, live=True)
    sync.catch_up()
    event_log = made.work / "events.jsonl"
    event_log.write_text("".join(event_log.read_text().splitlines(keepends=True)[:9]))
    if seen_short:
        sync.catch_up()
    made.write({"event": "start", "time": 1.7e9 + 50, "device": "cuda"}).steps(9, 20)
    sync.catch_up()
    assert sync_folder(made.publish(), settings) is not None
    assert rows("select count(*) from metrics") == [(made.whole_points,)]
    assert dict(rows("select key, value from tags"))["hardware"] == "cuda"
    assert status(rows) == ["FINISHED"]


def test_training_afresh_is_another_run_and_the_old_one_was_killed(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 3)
    first = sync_folder(made.work, settings)
    shutil.rmtree(made.work)
    second = sync_folder(made.begin(time=1.7e9 + 500).steps(1, 2).work, settings)
    assert first != second
    assert status(rows) == ["KILLED", "RUNNING"]


def test_a_finished_run_is_not_touched_when_its_folder_is_made_again(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training()
    made.whole()
    sync_folder(made.final, settings)
    sync_folder(made.begin(time=1.7e9 + 500).work, settings)
    assert status(rows) == ["FINISHED", "RUNNING"]


def test_a_failure_that_no_store_heard_of(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 2)
    FolderSync(made.work, settings).note_end(
        Ended("FAILED", "lost http://u:pw@host", 1700000009000)
    )
    sync_folder(made.work, settings)
    sync_folder(made.work, settings)
    assert rows("select status, end_time from runs") == [("FAILED", 1700000009000)]
    assert dict(rows("select key, value from tags"))["error"] == "lost http://***@host"
    assert rows("select count(*) from metrics") == [(2 * made.step_points,)]


def test_a_training_that_goes_on_after_a_failure(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 2)
    sync = FolderSync(made.work, settings, live=True)
    sync.note_end(Ended("FAILED", "why", 1700000009000))
    sync.catch_up()
    again = FolderSync(made.work, settings, live=True)
    again.note_end(None)
    again.catch_up()
    assert status(rows) == ["RUNNING"]
    assert "error" not in dict(rows("select key, value from tags"))
    made.steps(3, 20)
    again.close(made.publish())
    assert status(rows) == ["FINISHED"]
    assert rows("select count(*) from metrics") == [(made.whole_points,)]


def test_a_failure_before_the_first_line_has_a_run_that_the_next_try_takes_over(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin()
    (made.work / "events.jsonl").unlink()
    sync = FolderSync(made.work, settings, live=True)
    sync.note_end(Ended("FAILED", "the teacher is not fine-tuned", 1700000009000))
    run_id = sync.catch_up()
    assert status(rows) == ["FAILED"]
    made.begin().steps(1, 20)
    again = FolderSync(made.work, settings, live=True)
    again.note_end(None)
    assert again.catch_up() == run_id
    assert status(rows) == ["RUNNING"]
    (made.work / STATE_FILE).unlink()
    assert sync_folder(made.publish(), settings) == run_id
    assert rows("select count(*) from metrics") == [(made.whole_points,)]


def test_a_parameter_that_changed_on_resuming_keeps_its_first_value(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 2)
    sync_folder(made.work, settings)
    made.run["params"]["training"] = {**made.run["params"]["training"], "epochs": 99}
    (made.work / "run.json").write_text(json.dumps(made.run))
    made.steps(3, 20)
    sync_folder(made.publish(), settings)
    assert dict(rows("select key, value from params"))["training.epochs"] == "2"
    assert status(rows) == ["FINISHED"]


@pytest.mark.parametrize("lost", [False, True], ids=["state", "no-state"])
def test_what_an_older_version_wrote_stays(
    settings: TrackingSettings, training: Make, rows: Rows, lost: bool
) -> None:
    """Other parameters, with a dash for what is not set, and other names of tags and metrics."""
    made = training().begin().steps(1, 20)
    run_id = sync_folder(made.work, settings)
    assert run_id is not None
    store = prepare_store(settings)
    store.log_params(run_id, {"student.heads": "-", "training.threads": "1"})
    store.set_tags(run_id, {"lib.torch": "2.12"})
    store.log_points(run_id, [Point("loss.total", 0.5, 1, 1)])
    folder = made.publish()
    if lost:
        (folder / STATE_FILE).unlink()
    assert sync_folder(folder, settings) == run_id
    params, tags = (dict(rows(f"select key, value from {table}")) for table in ("params", "tags"))
    assert (params["student.heads"], params["training.threads"]) == ("-", "1")
    assert (params["seed"], tags["lib.torch"]) == ("1", "2.12")
    assert rows("select count(*) from metrics") == [(made.whole_points + 1,)]
    assert status(rows) == ["FINISHED"]


def test_a_double_that_a_slow_server_made_is_deleted(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    made = training().begin().steps(1, 20)
    run_id = sync_folder(made.work, settings)
    identity = dict(rows("select key, value from tags"))["identity"]
    double = prepare_store(settings).create("n", 1700000000250, {"identity": identity})
    sync_folder(made.publish(), settings)
    assert dict(rows("select run_uuid, lifecycle_stage from runs")) == {
        run_id: "active",
        double: "deleted",
    }


def test_a_run_that_a_user_deleted_stays_deleted(
    settings: TrackingSettings, training: Make, rows: Rows
) -> None:
    folder = training().whole()
    run_id = sync_folder(folder, settings)
    prepare_store(settings).client.delete_run(run_id or "")
    assert sync_folder(folder, settings) == run_id
    assert rows("select count(*) from runs") == [(1,)]


def test_a_picture_that_cannot_be_drawn_costs_only_itself(
    settings: TrackingSettings,
    training: Make,
    rows: Rows,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def draw(folder: Path) -> dict[str, bytes]:
        raise ZeroDivisionError("no ink")

    sync_folder(training().whole(), settings, draw)
    assert status(rows) == ["FINISHED"]
    assert (
        "no pictures of alp_kd-3L-s1-a1a1a1a1 in MLflow: ZeroDivisionError: no ink" in caplog.text
    )


def test_a_busy_database_is_tried_again(
    settings: TrackingSettings, training: Make, monkeypatch: pytest.MonkeyPatch, rows: Rows
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

    real, calls = MlflowStore.create, iter([True, True])

    def busy_twice(self: MlflowStore, *args: Any) -> str:
        if next(calls, False):
            raise MlflowException("database is locked", TEMPORARILY_UNAVAILABLE)
        return real(self, *args)

    monkeypatch.setattr(folder_sync, "BUSY_PAUSE", 0.0)
    monkeypatch.setattr(MlflowStore, "create", busy_twice)
    sync_folder(training().whole(), settings)
    assert status(rows) == ["FINISHED"]


def test_a_store_that_is_away_gives_one_line(
    training: Make, settings: TrackingSettings, closed_port: int
) -> None:
    away = replace(settings, uri=f"http://u:c4n4ry@127.0.0.1:{closed_port}", artifact_root=None)
    folder = training().whole()
    with pytest.raises(UserError) as error:
        sync_folder(folder, away)
    text = str(error.value)
    assert text.startswith(f"{folder.name} did not get into MLflow at http://***@127.0.0.1")
    assert text.endswith(
        "Connection refused; nothing is lost, run `kedro sync` again when it works"
    )
    assert "Max retries" not in text
    assert "\n" not in text
    assert "c4n4ry" not in text
    assert read_state(folder).run_id is None


def test_no_credentials_in_mlflow(
    settings: TrackingSettings, training: Make, tmp_path: Path
) -> None:
    made = training()
    made.run["params"]["run"]["tracking"] = "postgresql://u:c4n4ry@host/db"
    made.run["params"]["task"]["path"] = "https://u:c4n4ry@host/data"
    made.run["command"] = "kedro run --params=run.tracking=postgresql://u:c4n4ry@host/db"
    sync_folder(made.whole(), settings)
    written = [
        tmp_path / "mlflow.db",
        *(tmp_path / "mlartifacts").rglob("*"),
        made.final / STATE_FILE,
    ]
    assert len(written) > 5
    assert [path for path in written if path.is_file() and b"c4n4ry" in path.read_bytes()] == []
