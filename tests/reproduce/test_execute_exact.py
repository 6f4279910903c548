from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.experiments.conftest import finish
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.project.check import check
from alpkd_pipeline.project.experiment import Experiment
from alpkd_pipeline.reproduce.execute import exact_parameters
from alpkd_pipeline.reproduce.original import StoredRun, read_run
from alpkd_pipeline.tracking.settings import tracking_settings

THEN = {"device": "cpu", "precision": "fp32", "threads": 3}


def trained(experiment: Experiment, stage: str, **environment: Any) -> StoredRun:
    files = {
        "run.json": run_facts(experiment, stage),
        "metrics.json": {"environment": {**THEN, **environment}},
    }
    return read_run(finish(experiment, stage, files))


def test_what_auto_became_is_asked_for(load: Load, tmp_path: Path) -> None:
    experiment = load({"training.threads": "auto", "training.precision": "auto"}).experiment
    trained(experiment, "teacher", threads=2)
    params = exact_parameters(trained(experiment, "student"), PROJECT, tmp_path, None)
    assert {name: params["training"][name] for name in THEN} == THEN
    assert params["teacher"]["training"]["threads"] == 2
    assert params["training"]["lr"] == 4e-4


def test_where_it_goes(load: Load, tmp_path: Path) -> None:
    settings = tracking_settings("sqlite", "mine", PROJECT)
    params = exact_parameters(trained(load().experiment, "student"), PROJECT, tmp_path, settings)
    assert params["run"] == {
        "store": str(tmp_path),
        "tracking": f"sqlite:///{PROJECT}/mlflow.db",
        "experiment": "mine",
        "kind": "rerun",
    }
    made = Experiment(check(params), PROJECT)
    assert run_facts(made, "student")["identity"]["generation"] == "rerun"


def test_a_teacher_that_was_brought_is_pinned_to_its_own_record(load: Load, tmp_path: Path) -> None:
    experiment = load({"teacher.finetuned": True}).experiment
    teacher = {
        "run.json": run_facts(experiment, "teacher"),
        "metrics.json": {"environment": {**THEN, "threads": 2}, "seconds": None},
    }
    finish(experiment, "teacher", teacher)
    params = exact_parameters(trained(experiment, "student"), PROJECT, tmp_path, None)
    assert params["teacher"]["training"]["threads"] == 2
    assert Experiment(check(params), PROJECT).student.key == experiment.student.key


def test_the_keys_stay(load: Load, tmp_path: Path) -> None:
    experiment = load().experiment
    params = exact_parameters(trained(experiment, "student"), PROJECT, tmp_path / "fresh", None)
    assert Experiment(check(params), PROJECT).student.key == experiment.student.key


def test_another_device(load: Load, tmp_path: Path) -> None:
    original = trained(load().experiment, "student", device="cuda")
    assert exact_parameters(original, PROJECT, tmp_path, None)["training"]["device"] == "cuda"
    params = exact_parameters(original, PROJECT, tmp_path, None, device="auto")
    assert params["training"]["device"] == params["teacher"]["training"]["device"] == "auto"


def test_relative_places_stay_those_of_the_original_project(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = trained(load().experiment, "student")
    params: dict[str, Any] = dict(original.run["params"])
    (tmp_path / "encoder").mkdir()
    params["teacher"] = {**params["teacher"], "model": "encoder"}
    params["task"] = {**params["task"], "source": "table", "path": None}
    moved = StoredRun(original.path)
    moved.run, moved.metrics = {**original.run, "params": params}, {}
    found = exact_parameters(moved, tmp_path, tmp_path / "fresh", None)
    assert found["teacher"]["model"] == str(tmp_path / "encoder")
    assert found["task"]["path"] == str(tmp_path)
    params["task"] |= {"source": "folder"}
    monkeypatch.setenv("ALPKD_GLUE_DIR", "glue")
    found = exact_parameters(moved, tmp_path, tmp_path / "fresh", None)
    assert found["task"]["path"] == str(tmp_path / "glue")
    assert original.run["params"]["task"]["path"] is None
