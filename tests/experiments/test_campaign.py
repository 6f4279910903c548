from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

import pytest
from tests.databases import initialised_database

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.experiments import campaign
from alpkd_pipeline.experiments.campaign import TrackedGroup, write_record
from alpkd_pipeline.project.params import RunParams
from alpkd_pipeline.store.manifest import read_json


def test_without_tracking_nothing_happens(tmp_path: Path) -> None:
    group = TrackedGroup(RunParams(tracking="off"), "sweep-x", tmp_path)
    group.open("sweep", "d", {})
    group.close("FINISHED", {})
    assert group.lines([]) == []
    assert not list(tmp_path.iterdir())


def test_an_impossible_address_is_the_user_s_to_put_right(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"run\.tracking"):
        TrackedGroup(RunParams(tracking="nowhere"), "sweep-x", tmp_path)


def test_a_sweep_is_a_run_of_its_own(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.copy(initialised_database(tmp_path_factory), tmp_path / "mlflow.db")
    group = TrackedGroup(RunParams(tracking="sqlite"), "sweep-x", tmp_path)
    group.open("sweep", "six experiments", {"methods": ["kd"]})
    group.close("FAILED", {"cells": 6})
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        runs = connection.execute("select name, status from runs").fetchall()
    assert runs == [("sweep-x", "FAILED")]
    assert group.lines([])[-1] == "mlflow: make mlflow"


def test_mlflow_away_is_a_warning_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    # Nothing listens on port 9.
    group = TrackedGroup(RunParams(tracking="http://127.0.0.1:9"), "sweep-x", tmp_path)
    with caplog.at_level(logging.WARNING):
        group.open("sweep", "d", {})
        group.close("FINISHED", {})
    (warning,) = caplog.messages
    assert "'sweep-x' did not get into MLflow" in warning


def test_a_record_keeps_when_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, times = tmp_path / "08_reporting" / "x.json", iter(["one", "two", "three"])
    monkeypatch.setattr(campaign, "now", lambda: next(times))
    write_record(path, {"id": "x"}, ended=False)
    assert read_json(path) == {"id": "x", "started": "one", "ended": None}
    write_record(path, {"id": "y"}, ended=True)
    assert read_json(path) == {"id": "y", "started": "one", "ended": "two"}


def test_a_damaged_record_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{")
    write_record(path, {"id": "x"}, ended=True)
    assert set(read_json(path)) == {"id", "started", "ended"}
