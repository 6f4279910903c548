"""The evidence that a model carries."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from tests.published import make_export, shared_model, speed

from alpkd_pipeline.store.layout import SPLITS
from alpkd_pipeline.store.manifest import publish
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tracking.model_folder import ANSWERS, FACTS, write_evidence


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_model(tmp_path_factory)


@pytest.fixture
def exported(tiny_model: Path, tmp_path: Path) -> tuple[Path, Path]:
    return make_export(tiny_model, tmp_path / "store", "a1")


def evidence(exported: tuple[Path, Path], place: Path) -> dict[str, object]:
    write_evidence(RunFolder(exported[0]), exported[1], place)
    found: dict[str, object] = json.loads((place / FACTS).read_text())
    return found


def test_it_is_task_answers_size_and_speed(exported: tuple[Path, Path], tmp_path: Path) -> None:
    found = evidence(exported, tmp_path / "evidence")
    served = exported[0] / "onnx/model_int8.onnx"
    assert (found["split"], found["form"], found["texts"]) == ("dev", "int8", None)
    assert (found["bytes"], found["speed"]) == (served.stat().st_size, speed(4.0))
    answers = (tmp_path / "evidence" / ANSWERS).read_bytes()
    assert answers == (exported[0] / "predictions/dev.csv").read_bytes()


def test_texts_are_told_apart_by_their_hash(exported: tuple[Path, Path], tmp_path: Path) -> None:
    key = str(RunFolder(exported[1]).keys["splits"])

    def with_texts(*texts: str) -> object:
        work = tmp_path / "splits.work"
        work.mkdir()
        frame = pd.DataFrame({"idx": range(len(texts)), "text": texts, "label": 0})
        frame.to_parquet(work / "dev.parquet")
        final = tmp_path / "store" / SPLITS / "tiny" / f"demo-{key[:8]}"
        publish(work, final, {"key": key})
        return evidence(exported, tmp_path / "evidence")["texts"]

    first = with_texts("a", "b")
    assert isinstance(first, str)
    assert with_texts("a", "b") == first
    assert with_texts("a", "c") != first
    assert with_texts("b", "a") != first
