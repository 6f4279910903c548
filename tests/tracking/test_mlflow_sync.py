from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock, Timeout
from tests.names import NASTY
from tests.users import as_nobody

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tracking import mlflow_sync
from alpkd_pipeline.tracking.mlflow_sync import CLIENT_DEFAULTS, MlflowStore, prepare_store
from alpkd_pipeline.tracking.points import Point
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

Rows = Callable[..., list[tuple[Any, ...]]]

WRITE_A_RUN = """
import sys
from pathlib import Path
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.points import Point
from alpkd_pipeline.tracking.settings import tracking_settings
store = prepare_store(tracking_settings("sqlite", "alpkd", Path(sys.argv[1])))
for run in range(int(sys.argv[2])):
    run_id = store.create(f"run {run}", 1, {"stage": "student"})
    store.log_points(run_id, [Point(f"m{i}", i, 1, 1) for i in range(50)])
    store.end(run_id, "FINISHED", 2)
"""


@pytest.fixture
def store(settings: TrackingSettings) -> MlflowStore:
    return prepare_store(settings)


def test_the_experiment_keeps_artifacts_at_an_absolute_place(
    settings: TrackingSettings, tmp_path: Path, rows: Rows
) -> None:
    prepare_store(settings)
    found = rows("select artifact_location from experiments where name = 'alpkd'")
    assert found == [((tmp_path / "mlartifacts").as_uri(),)]


def test_a_deleted_experiment_is_named(settings: TrackingSettings) -> None:
    store = prepare_store(settings)
    store.client.delete_experiment(store.experiment_id)
    prepare_store.cache_clear()
    with pytest.raises(UserError, match="experiment 'alpkd' was deleted: restore it"):
        prepare_store(settings)


def test_tokens_tell_experiments_and_new_databases_apart(
    settings: TrackingSettings, database: Path
) -> None:
    first = prepare_store(settings)
    other = prepare_store(replace(settings, experiment="other"))
    assert first.token != other.token
    prepare_store.cache_clear()
    assert prepare_store(settings).token == first.token
    first.client.rename_experiment(first.experiment_id, "old")  # as a new database would
    prepare_store.cache_clear()
    assert prepare_store(settings).token != first.token


def test_the_users_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    mlflow_sync._client_class()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_mlflow_knows_every_variable_that_we_set() -> None:
    import mlflow.environment_variables

    for name, value in CLIENT_DEFAULTS.items():
        getattr(mlflow.environment_variables, name).type(value)


def test_points_stay_single(store: MlflowStore, rows: Rows) -> None:
    run_id = store.create("n", 1, {})
    nan = float("nan")
    points = [Point("a", 1.5, 10, 1), Point("a", nan, 11, 2), Point("a", float("inf"), 12, 3)]
    store.log_points(run_id, points)
    store.log_points(run_id, [*points, Point("b", 2.0, 10, 1)])
    assert rows("select key, step from metrics order by key, step") == [
        ("a", 1),
        ("a", 2),
        ("a", 3),
        ("b", 1),
    ]
    assert store.last_step(run_id, "a") == 3
    assert store.last_step(run_id, "c") == -1


def test_more_params_and_tags_than_mlflow_takes_at_once(store: MlflowStore) -> None:
    run_id = store.create("n", 1, {})
    many = {f"p{i}": str(i) for i in range(250)}
    store.log_params(run_id, many)
    store.set_tags(run_id, many)
    facts = store.facts(run_id)
    assert facts is not None
    assert set(facts.params) == set(many)
    assert set(many) <= set(facts.tags)


def test_data_sets_stay_single(store: MlflowStore, rows: Rows) -> None:
    run_id = store.create("n", 1, {})
    facts = {"name": "rte-train", "digest": "01", "source_type": "local", "source": "{}"}
    for _ in range(2):
        store.log_datasets(run_id, {"train": {**facts, "schema": "{}"}})
    assert rows("select name, digest from datasets") == [("rte-train", "01")]
    assert rows("select name, value from input_tags") == [("mlflow.data.context", "train")]
    assert len(rows("select * from inputs")) == 1


def test_a_run_that_is_gone_or_deleted_has_no_facts(store: MlflowStore) -> None:
    assert store.facts("0" * 32) is None
    run_id = store.create("n", 1, {})
    store.client.delete_run(run_id)
    assert store.facts(run_id) is None


def test_the_oldest_run_of_an_identity_counts_and_doubles_go(store: MlflowStore) -> None:
    tags = {"identity": "x"}
    late, early = store.create("n", 2, tags), store.create("n", 1, tags)
    other = store.create("n", 0, {"identity": "y"})
    assert store.find("x") == early
    store.delete_doubles("x", keep=late)
    assert store.find("x") == late
    assert store.find("y") == other
    assert store.find("z") is None


def test_abandoned_runs_are_those_of_the_same_key_and_generation(
    store: MlflowStore, rows: Rows
) -> None:
    def run(key: str, run_type: str) -> str:
        return store.create("n", 1, {"key": key, "generation": run_type})

    mine, done = run("k", "cell"), run("k", "cell")
    others = [run("k", "rerun"), run("other", "cell")]
    store.end(done, "FINISHED", 3)
    store.end_abandoned("k", "cell", 9)
    found = {
        name: (status, end)
        for name, status, end in rows("select run_uuid, status, end_time from runs")
    }
    assert found == {
        mine: ("KILLED", 9),
        done: ("FINISHED", 3),
        **dict.fromkeys(others, ("RUNNING", None)),
    }


def _write_runs(project: Path, processes: int, runs: int) -> list[subprocess.CompletedProcess[str]]:
    command = [sys.executable, "-c", WRITE_A_RUN, str(project), str(runs)]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    outputs = [process.communicate(timeout=300) for process in started]
    return [
        subprocess.CompletedProcess(command, process.returncode, out, err)
        for process, (out, err) in zip(started, outputs, strict=True)
    ]


@pytest.mark.parametrize(
    ("processes", "runs"), [(4, 1), pytest.param(16, 3, marks=pytest.mark.slow)]
)
def test_many_processes_share_a_database_that_does_not_exist_yet(
    tmp_path: Path, processes: int, runs: int, rows: Rows, settings: TrackingSettings
) -> None:
    assert settings.database is not None
    settings.database.unlink()
    found = _write_runs(tmp_path, processes, runs)
    assert [(done.returncode, done.stdout, done.stderr) for done in found] == [
        (0, "", "")
    ] * processes
    assert rows("select count(*), count(distinct run_uuid) from metrics") == [
        (processes * runs * 50, processes * runs)
    ]
    assert rows("select status from runs group by status") == [("FINISHED",)]
    assert [path.name for path in tmp_path.glob("*.tmp*")] == []


def test_a_database_that_was_half_made_when_its_maker_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: TrackingSettings, rows: Rows
) -> None:
    assert settings.database is not None
    content = settings.database.read_bytes()
    settings.database.unlink()
    (tmp_path / "mlflow.db.0123.tmp").write_bytes(b"half")

    def write_template(uri: str, _artifact_root: Path) -> None:
        assert not settings.database.exists()
        Path(uri.removeprefix("sqlite:///")).write_bytes(content)

    monkeypatch.setattr(mlflow_sync, "_make_tables", write_template)
    prepare_store(settings)
    assert rows("select name from experiments where name = 'alpkd'") == [("alpkd",)]
    assert [path.name for path in tmp_path.glob("*.tmp*")] == []


def test_processes_take_turns_in_setting_up_any_database(
    settings: TrackingSettings, tmp_path: Path
) -> None:
    """PostgreSQL's tables, made by two at once, make one of them fail."""
    address = "postgresql://user:secret@127.0.0.1:5432/mlflow"
    shared = tracking_settings(address, "alpkd", tmp_path)
    assert shared is not None
    lock = mlflow_sync._setup_lock(shared)
    assert isinstance(lock, FileLock)
    with lock:
        (file,) = tmp_path.glob("mlflow.db.*.lock")
        other = FileLock(file, timeout=0, is_singleton=False)
        with pytest.raises(Timeout):
            other.acquire()
    server = replace(shared, uri="http://127.0.0.1:5000", artifact_root=None)
    assert not isinstance(mlflow_sync._setup_lock(server), FileLock)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if place % 4 == 0 else pytest.mark.slow)
        for place, name in enumerate(NASTY)
    ],
)
def test_a_project_whose_name_is_no_address_is_tracked_inside_itself(
    name: str, tmp_path: Path, database: Path
) -> None:
    project = tmp_path / "above" / name
    project.mkdir(parents=True)
    shutil.copyfile(database, project / "mlflow.db")
    _track_a_run(project)
    assert sorted(path.name for path in project.iterdir()) == [
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
    ]
    assert [path.name for path in (tmp_path / "above").iterdir()] == [name]


def test_a_database_is_made_in_such_a_project_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "above" / "it's 100% [b]:a?#"
    project.mkdir(parents=True)
    monkeypatch.chdir(project)  # MLflow's first experiment would be written into the working folder
    _track_a_run(project)
    assert [path.name for path in (tmp_path / "above").iterdir()] == [project.name]
    connection = sqlite3.connect(project / "mlflow.db")
    places = [place for (place,) in connection.execute("select artifact_location from experiments")]
    assert places[1] == (project / "mlartifacts").as_uri()
    assert all(place.startswith(places[1]) for place in places)


def _track_a_run(project: Path) -> None:
    settings = tracking_settings("sqlite", "alpkd", project)
    assert settings is not None
    store = prepare_store(settings)
    run_id = store.create("r", 1, {"stage": "student"})
    store.log_files(run_id, {"x.json": b"{}"})
    store.log_table(run_id, pd.DataFrame({"a": [1]}), "table.json")
    store.end(run_id, "FINISHED", 2)
    artifacts = project / "mlartifacts" / run_id / "artifacts"
    assert sorted(path.name for path in artifacts.iterdir()) == ["table.json", "x.json"]
    connection = sqlite3.connect(project / "mlflow.db")
    assert connection.execute("select status from runs").fetchall() == [("FINISHED",)]
    connection.close()


def test_a_user_without_a_home_and_without_an_entry_is_tracked(
    tmp_path: Path, database: Path
) -> None:
    shutil.copyfile(database, tmp_path / "mlflow.db")
    done = as_nobody([sys.executable, "-c", WRITE_A_RUN, str(tmp_path), "1"], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    assert connection.execute("select status from runs").fetchall() == [("FINISHED",)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db", "mlflow.db.lock"]
