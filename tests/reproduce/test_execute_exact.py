from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.experiments.conftest import finish
from tests.project.conftest import PROJECT, Load

from alpkd_pipeline.project.catalog_values import run_facts
from alpkd_pipeline.project.cell import Cell
from alpkd_pipeline.project.check import check
from alpkd_pipeline.reproduce.execute import exact_parameters
from alpkd_pipeline.reproduce.original import StoredRun, read_run
from alpkd_pipeline.tracking.settings import tracking_settings

THEN = {"device": "cpu", "precision": "fp32", "threads": 3}


def trained(cell: Cell, stage: str, **environment: Any) -> StoredRun:
    files = {
        "run.json": run_facts(cell, stage),
        "metrics.json": {"environment": {**THEN, **environment}},
    }
    return read_run(finish(cell, stage, files))


def test_what_auto_became_is_asked_for(load: Load, tmp_path: Path) -> None:
    cell = load({"training.threads": "auto", "training.precision": "auto"}).cell
    trained(cell, "teacher", threads=2)
    params = exact_parameters(trained(cell, "student"), PROJECT, tmp_path, None)
    assert {name: params["training"][name] for name in THEN} == THEN
    assert params["teacher"]["training"]["threads"] == 2
    assert params["training"]["lr"] == 4e-4


def test_where_it_goes(load: Load, tmp_path: Path) -> None:
    settings = tracking_settings("sqlite", "mine", PROJECT)
    params = exact_parameters(trained(load().cell, "student"), PROJECT, tmp_path, settings)
    assert params["run"] == {
        "store": str(tmp_path),
        "tracking": f"sqlite:///{PROJECT}/mlflow.db",
        "experiment": "mine",
        "kind": "rerun",
    }
    made = Cell(check(params), PROJECT)
    assert run_facts(made, "student")["identity"]["generation"] == "rerun"


def test_a_teacher_that_was_brought_is_pinned_to_its_own_record(load: Load, tmp_path: Path) -> None:
    cell = load({"teacher.finetuned": True}).cell
    teacher = {
        "run.json": run_facts(cell, "teacher"),
        "metrics.json": {"environment": {**THEN, "threads": 2}, "seconds": None},
    }
    finish(cell, "teacher", teacher)
    params = exact_parameters(trained(cell, "student"), PROJECT, tmp_path, None)
    assert params["teacher"]["training"]["threads"] == 2
    assert Cell(check(params), PROJECT).student.key == cell.student.key


def test_the_keys_stay(load: Load, tmp_path: Path) -> None:
    cell = load().cell
    params = exact_parameters(trained(cell, "student"), PROJECT, tmp_path / "fresh", None)
    assert Cell(check(params), PROJECT).student.key == cell.student.key


def test_another_device(load: Load, tmp_path: Path) -> None:
    original = trained(load().cell, "student", device="cuda")
    assert exact_parameters(original, PROJECT, tmp_path, None)["training"]["device"] == "cuda"
    params = exact_parameters(original, PROJECT, tmp_path, None, device="auto")
    assert params["training"]["device"] == params["teacher"]["training"]["device"] == "auto"


def test_relative_places_stay_those_of_the_original_project(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = trained(load().cell, "student")
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
