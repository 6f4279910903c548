"""The evidence that a model carries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.published import make_export, shared_model, speed

from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tracking.models import FACTS, PREDICTIONS_CSV, write_evidence


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_model(tmp_path_factory)


@pytest.fixture
def exported(tiny_model: Path, tmp_path: Path) -> tuple[Path, Path]:
    return make_export(tiny_model, tmp_path / "store", "a1")


def test_it_is_task_rows_predictions_size_and_speed(
    exported: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, place = RunFolder(exported[0]), tmp_path / "evidence"
    write_evidence(folder, folder.run["task"], place)
    assert json.loads((place / FACTS).read_text()) == {
        "task": folder.run["task"],
        "form": "int8",
        "dev": folder.json("gate.json")["dev"],
        "speed": speed(4.0),
    }
    assert (place / PREDICTIONS_CSV).read_bytes() == folder.read("predictions/dev.csv")
