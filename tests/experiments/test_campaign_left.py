"""Runs of killed sweeps and searches, in a real MLflow database."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from tests.databases import initialised_database

from alpkd_pipeline.experiments.campaign import TrackedGroup, close_left
from alpkd_pipeline.project.params import RunParams
from alpkd_pipeline.store.manifest import lock_file, write_json
from alpkd_pipeline.tracking.group import close_group, open_group
from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

SWEEPS, SEARCHES = "08_reporting/sweeps", "08_reporting/searches"
Rows = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def settings(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> TrackingSettings:
    shutil.copy(initialised_database(tmp_path_factory), tmp_path / "mlflow.db")
    found = tracking_settings("sqlite", "alpkd", tmp_path)
    assert found is not None
    return found


@pytest.fixture
def statuses(tmp_path: Path) -> Callable[[], Mapping[str, str]]:
    def read() -> Mapping[str, str]:
        connection = sqlite3.connect(tmp_path / "mlflow.db")
        try:
            return dict(connection.execute("select name, status from runs"))
        finally:
            connection.close()

    return read


def opened(
    settings: TrackingSettings, store: Path, name: str, place: str = SWEEPS, **record: Any
) -> str:
    """A sweep or search that was begun, with its record."""
    kind = "sweep" if place == SWEEPS else "search"
    content = {"cells": [], "jobs": []} if place == SWEEPS else {"studies": []}
    write_json(store / place / f"{name}.json", {"id": name, "ended": None, **content, **record})
    return open_group(settings, name, kind=kind, description="d")


def jobs(*states: str) -> list[dict[str, str]]:
    return [{"name": str(number), "state": state} for number, state in enumerate(states)]


@pytest.mark.parametrize(
    ("place", "record", "status"),
    [
        (SWEEPS, {"jobs": jobs("todo", "todo")}, "KILLED"),
        (SWEEPS, {"jobs": jobs("done", "done")}, "KILLED"),
        (SWEEPS, {"ended": "2030", "jobs": jobs("done", "done")}, "FINISHED"),
        (SWEEPS, {"ended": "2030", "jobs": jobs("done", "failed", "not run")}, "FAILED"),
        (SWEEPS, {"ended": "2030", "jobs": jobs("done", "interrupted", "not run")}, "KILLED"),
        (SEARCHES, {}, "KILLED"),
        (SEARCHES, {"ended": "2030"}, "FINISHED"),
    ],
)
def test_a_run_without_its_process_is_closed(
    settings: TrackingSettings,
    statuses: Callable[[], Mapping[str, str]],
    tmp_path: Path,
    place: str,
    record: dict[str, Any],
    status: str,
) -> None:
    opened(settings, tmp_path, "killed", place, **record)
    assert close_left(tmp_path, settings) == [f"killed has ended, its run is {status} now"]
    assert statuses() == {"killed": status}
    assert close_left(tmp_path, settings) == []


def test_whatever_still_runs_stays_open(
    settings: TrackingSettings, statuses: Callable[[], Mapping[str, str]], tmp_path: Path
) -> None:
    with ExitStack() as held:
        for name, place in (("sweep", SWEEPS), ("search", SEARCHES)):
            opened(settings, tmp_path, name, place, ended="2030")
            lock = lock_file(tmp_path / place / name)
            lock.parent.mkdir()
            held.enter_context(FileLock(lock))
        assert close_left(tmp_path, settings) == []
        assert statuses() == {"sweep": "RUNNING", "search": "RUNNING"}
    assert len(close_left(tmp_path, settings)) == 2


def test_runs_of_other_stores_and_runs_that_ended_stay_as_they_are(
    settings: TrackingSettings, statuses: Callable[[], Mapping[str, str]], tmp_path: Path
) -> None:
    opened(settings, tmp_path / "elsewhere", "sweep-of-others")
    opened(settings, tmp_path, "sweep-done")
    close_group(settings, "sweep-done", status="FAILED")
    opened(settings, tmp_path, "sweep-unreadable")
    (tmp_path / SWEEPS / "sweep-unreadable.json").write_text("{")
    write_json(tmp_path / SWEEPS / "sweep-untracked.json", {"id": "x", "ended": None, "cells": []})
    assert close_left(tmp_path, settings) == []
    running = {"sweep-of-others": "RUNNING", "sweep-unreadable": "RUNNING"}
    assert statuses() == {**running, "sweep-done": "FAILED"}


def test_it_ended_with_its_last_training(settings: TrackingSettings, tmp_path: Path) -> None:
    run_id = opened(settings, tmp_path, "killed")
    store = prepare_store(settings)
    start = store.client.get_run(run_id).info.start_time
    for number, end in enumerate((start + 7_000, start + 9_000, start + 8_000)):
        child = store.create(f"kd-{number}", start, {"group": "killed", "stage": "student"})
        store.end(child, "FINISHED", end)
    store.create("kd-at-work", start, {"group": "killed", "stage": "student"})
    close_left(tmp_path, settings)
    assert store.client.get_run(run_id).info.end_time == start + 9_000


def test_without_records_nobody_asks_mlflow(tmp_path: Path) -> None:
    away = tracking_settings("http://127.0.0.1:9", "alpkd", tmp_path)
    assert away is not None
    assert close_left(tmp_path, away) == []


def test_the_next_sweep_closes_what_the_last_one_left(
    settings: TrackingSettings, statuses: Callable[[], Mapping[str, str]], tmp_path: Path
) -> None:
    opened(settings, tmp_path / "data", "killed")
    group = TrackedGroup(RunParams(tracking="sqlite"), "sweep-next", tmp_path)
    group.open("sweep", "d", {})
    assert statuses() == {"killed": "KILLED", "sweep-next": "RUNNING"}
