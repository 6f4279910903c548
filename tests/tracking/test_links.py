from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from alpkd_pipeline.tracking.folder_sync import sync_folder
from alpkd_pipeline.tracking.links import (
    MOST_COMPARED,
    comparison_lines,
    group_lines,
    page_of,
    run_lines,
)
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

Make = Callable[..., Any]


def asked(line: str) -> dict[str, str]:
    """What a printed link asks MLflow's page for."""
    return {name: values[0] for name, values in parse_qs(line.partition("?")[2]).items()}


@pytest.mark.parametrize(
    ("tracking", "page"),
    [
        ("sqlite", "http://127.0.0.1:5000"),
        ("sqlite:///elsewhere/mlflow.db", "http://127.0.0.1:5000"),
        ("postgresql://u:pw@host/db", "http://127.0.0.1:5000"),
        ("http://host:5000/", "http://host:5000"),
        ("https://u:pw@host/mlflow", "https://host/mlflow"),
        ("databricks://prod", None),
    ],
)
def test_where_pages_are(tracking: str, page: str | None, tmp_path: Path) -> None:
    settings = tracking_settings(tracking, "alpkd", tmp_path)
    assert settings is not None
    assert page_of(settings) == page


def test_a_run_that_is_tracked_has_its_page(settings: TrackingSettings, training: Make) -> None:
    folder = training().whole()
    assert run_lines(settings, folder) == []
    run_id = sync_folder(folder, settings)
    assert run_lines(settings, folder) == [
        f"run: http://127.0.0.1:5000/#/experiments/2/runs/{run_id}"
    ]


def test_another_store_or_experiment_does_not_have_the_run(
    settings: TrackingSettings, training: Make
) -> None:
    folder = training().whole()
    sync_folder(folder, settings)
    assert run_lines(replace(settings, experiment="other"), folder) == []
    assert run_lines(replace(settings, uri="http://host:5000"), folder) == []


def students(training: Make, settings: TrackingSettings, number: int, **run: Any) -> list[Path]:
    folders = [training(f"kd-{i}", key=f"{i:064x}", **run).whole() for i in range(number)]
    for folder in folders:
        sync_folder(folder, settings)
    return folders


def test_compared_students(settings: TrackingSettings, training: Make, tmp_path: Path) -> None:
    folders = students(training, settings, 2)
    table, curves, compare = comparison_lines(settings, [tmp_path / "no student", *folders])
    assert table.startswith("students: http://127.0.0.1:5000/#/experiments/2/runs?")
    assert asked(table) == {
        "workflowType": "machine_learning",
        "viewStateShareKey": "students",
    }
    assert asked(curves) == {**asked(table), "compareRunsMode": "CHART"}
    run_ids = [json.loads((f / ".mlflow.json").read_text())["run_id"] for f in folders]
    assert compare.startswith("side by side: http://127.0.0.1:5000/#/compare-runs?")
    assert json.loads(asked(compare)["runs"]) == run_ids
    assert json.loads(asked(compare)["experiments"]) == ["2"]
    assert '"' not in compare


def test_one_student_is_not_compared(settings: TrackingSettings, training: Make) -> None:
    assert len(comparison_lines(settings, students(training, settings, 1))) == 2
    assert comparison_lines(settings, []) == []


def test_side_by_side_are_a_few(settings: TrackingSettings, training: Make) -> None:
    folders = students(training, settings, 1) * (MOST_COMPARED + 5)
    (*_, compare) = comparison_lines(settings, folders)
    assert len(json.loads(asked(compare)["runs"])) == MOST_COMPARED


def test_a_sweep_shows_its_students(settings: TrackingSettings, training: Make) -> None:
    folders = students(training, settings, 2, group="sweep-x")
    assert asked(group_lines(settings, "sweep-x", folders)[0])["viewStateShareKey"] == "sweep-x"


def test_a_sweep_that_found_students_made_shows_all(
    settings: TrackingSettings, training: Make, tmp_path: Path
) -> None:
    """Those lie below the run of the sweep that made them."""
    folders = students(training, settings, 2, group="sweep-x")
    other = [*folders, tmp_path / "failed"]
    assert asked(group_lines(settings, "sweep-y", other)[0])["viewStateShareKey"] == "students"
    (folders[0] / "run.json").write_text("{")
    assert group_lines(settings, "sweep-x", folders)
    assert group_lines(settings, "sweep-x", []) == []
