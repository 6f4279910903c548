"""`kedro sync`: run folders that MLflow has not seen."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Kedro
from tests.databases import initialised_database
from tests.projects import configure, copied_project
from tests.tracking.conftest import Training, run_json

from alpkd_pipeline.commands.sync import training_folders
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tracking.group import open_group
from alpkd_pipeline.tracking.settings import tracking_settings

STUDENTS, TEACHERS = "06_models/students/mrpc", "06_models/teachers/mrpc"


def student(store: Path, name: str = "kd-3L-s1-a1a1a1a1", digit: str = "a1") -> Training:
    return Training(store / STUDENTS, name, key=digit * 32)


def teacher(store: Path, name: str = "demo-s0-b2b2b2b2", **teacher_params: Any) -> Training:
    params = {**run_json()["params"], "teacher": {"model": "demo", **teacher_params}}
    return Training(store / TEACHERS, name, stage="teacher", key="b2" * 32, params=params)


# Which folders -----------------------------------------------------------------------------------


def test_teachers_and_students_finished_or_not(tmp_path: Path) -> None:
    finished = [student(tmp_path).whole(), teacher(tmp_path).whole()]
    left = student(tmp_path, "pkd-3L-s1-c3c3c3c3").begin().steps(1, 3).work
    assert set(training_folders(tmp_path)) == {*finished, left}


def test_a_teacher_that_was_brought_fine_tuned_is_no_training(tmp_path: Path) -> None:
    teacher(tmp_path, finetuned=True).whole()
    assert training_folders(tmp_path) == []


def test_other_results_are_no_trainings(tmp_path: Path) -> None:
    student(tmp_path).whole()
    for place in ("05_model_input/signals/mrpc/x", "07_model_output/scores/mrpc/x"):
        write_json(tmp_path / place / "run.json", run_json(stage="signals"))
    assert [folder.parent.name for folder in training_folders(tmp_path)] == ["mrpc"]


def test_a_store_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert training_folders(tmp_path / "nowhere") == []


def test_a_result_that_stepped_aside_for_a_newer_one_is_no_training(tmp_path: Path) -> None:
    folder = student(tmp_path).whole()
    # As left behind by a process that was killed inside `publish`.
    shutil.copytree(folder, folder.with_name(f".{folder.name}.0123abcd.old"))
    assert training_folders(tmp_path) == [folder]


def test_a_damaged_folder_is_named_or_passed_over(tmp_path: Path) -> None:
    folder = student(tmp_path).whole()
    (folder.with_name("damaged")).mkdir()
    (folder.with_name("damaged") / "run.json").write_text("{")
    try:
        found, said = training_folders(tmp_path), "damaged"
    except UserError as error:
        found, said = [folder], str(error)
    assert folder in found
    assert "damaged" in said


@pytest.mark.parametrize("file", ["run.json", "manifest.json"])
def test_a_finished_folder_that_is_damaged_is_not_passed_over(tmp_path: Path, file: str) -> None:
    folder = student(tmp_path).whole()
    (folder / file).write_text("{")
    assert training_folders(tmp_path) == [folder]
    (folder / "run.json").unlink()
    assert training_folders(tmp_path) == [folder]


# The command -------------------------------------------------------------------------------------


class Project:
    """A copy of the project with a store and a database of its own."""

    def __init__(self, root: Path, kedro: Kedro) -> None:
        self.root = copied_project(root, tracking="sqlite")
        self.store = root / "data"
        self._kedro = kedro

    def sync(self, *options: str):
        return self._kedro("sync", *options, cwd=self.root)

    def runs(self) -> list[tuple[str, str]]:
        connection = sqlite3.connect(self.root / "mlflow.db")
        try:
            return connection.execute("select name, status from runs order by name").fetchall()
        finally:
            connection.close()


@pytest.fixture
def project(tmp_path: Path, kedro: Kedro) -> Project:
    return Project(tmp_path / "project", kedro)


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def test_every_training_becomes_a_run_once(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shutil.copy(initialised_database(tmp_path_factory), project.root / "mlflow.db")
    student(project.store).whole()
    teacher(project.store).whole()
    killed = left_running(project)
    for closed in ([f"{killed} has ended, its run is KILLED now"], []):
        done = project.sync()
        assert done.returncode == 0, done.stderr
        assert lines(done.stdout) == [*closed, "2 of 2 runs are in MLflow: make mlflow"]
        assert project.runs() == [
            ("mrpc-6to3-alp_kd-s1", "FINISHED"),
            ("mrpc-teacher-demo-s0", "FINISHED"),
            (killed, "KILLED"),
        ]


def left_running(project: Project) -> str:
    """What a killed sweep leaves behind."""
    name = "sweep-base-20300102T000000Z"
    record = {"id": name, "ended": None, "cells": [], "jobs": []}
    write_json(project.store / "08_reporting" / "sweeps" / f"{name}.json", record)
    settings = tracking_settings("sqlite", "alpkd", project.root)
    assert settings is not None
    open_group(settings, name, kind="sweep", description="d")
    assert project.runs() == [(name, "RUNNING")]
    return name


def test_an_empty_store_has_nothing_to_bring(project: Project) -> None:
    done = project.sync()
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == ["0 of 0 runs are in MLflow: make mlflow"]


def test_parameters_say_where_to_look(project: Project, tmp_path: Path) -> None:
    student(project.store).whole()
    done = project.sync(f"--params=run.store={tmp_path / 'empty'}")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout) == ["0 of 0 runs are in MLflow: make mlflow"]


def test_a_server_that_is_away_is_said_for_each_run(project: Project) -> None:
    configure(project.root, tracking="http://u:c4n4ry@127.0.0.1:9")
    student(project.store).whole()
    done = project.sync()
    assert done.returncode == 1
    assert [line for line in lines(done.stdout) if line.startswith("0 of 1 runs")]
    (error,) = [line for line in lines(done.stderr) if line.startswith("Error")]
    assert "kd-3L-s1-a1a1a1a1" in error
    assert "c4n4ry" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("tracking", "options", "line"),
    [
        ("off", [], "tracking is off: set run.tracking in conf/"),
        ("nonsense", [], "parameter 'run.tracking' = 'nonsense'"),
        ("sqlite", ["--params=run.tracking=off"], "tracking is off"),
        ("sqlite", ["--env=papr"], "no configuration environment 'papr'"),
    ],
)
def test_a_mistake_is_one_line(
    project: Project, tracking: str, options: list[str], line: str
) -> None:
    configure(project.root, tracking=tracking)
    done = project.sync(*options)
    assert done.returncode == 1
    (said,) = lines(done.stdout + done.stderr)
    assert line in said
    assert not (project.root / "mlflow.db").exists()
