"""Students of files in which most train rows have no label, through the steps of the pipeline."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.training.conftest import Make

from alpkd_pipeline.models.encoder import encode_folder
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.tasks.sources import demo, load_splits
from alpkd_pipeline.tasks.task import UNLABELLED, SourceSpec
from alpkd_pipeline.tasks.validate import write_splits
from alpkd_pipeline.training.dispatch import run_stage

WRITE: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: path.write_text(frame.to_json(orient="records", lines=True)),
    "parquet": lambda frame, path: frame.to_parquet(path),
}
COLUMNS = ["sentence", "label"]


def prepared(folder: Path, suffix: str = "csv", unlabelled: int = 40, labelled: int = 24) -> Path:
    """Encoded files: labelled rows, rows of train without a label, and those of a file."""
    frames = demo.load(unlabelled=True)
    gone = frames[UNLABELLED].head(unlabelled).assign(label=None)
    train = frames["train"].head(labelled)
    half = unlabelled // 2
    made = {
        "train": pd.concat([train, gone[:half]])[COLUMNS].astype({"label": "Int64"}),
        UNLABELLED: gone[half:][["sentence"]],
        "dev": frames["dev"].head(32)[COLUMNS],
    }
    made = {split: frame for split, frame in made.items() if len(frame)}
    for split, frame in made.items():
        WRITE[suffix](frame, folder / f"{split}.{suffix}")
    files = {split: f"{split}.{suffix}" for split in made}
    spec = SourceSpec("table", files=files, unlabelled=True)
    splits, encoded = folder / "splits", folder / "encoded"
    splits.mkdir()
    task = demo.TASK.to_dict()
    write_splits(load_splits(spec, demo.TASK, folder), task, 0.1, splits)
    encoded.mkdir()
    encode_folder(splits, task, DEMO_FOLDER, 64, encoded)
    return encoded


@pytest.mark.parametrize("suffix", list(WRITE))
def test_a_student_of_mostly_unlabelled_rows(
    begin: Make, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    encoded = prepared(tmp_path, suffix)
    assert read_json(encoded / "report.json")["train"]["unlabelled"] == 40
    assert read_encoded(encoded, "train").labels.tolist()[24:] == [-1] * 40
    inputs, fine = (
        {"encoded": encoded},
        {"teacher__allow_constant": True},
    )  # two steps teach nothing
    teacher = run_stage(begin("t", "teacher", inputs | {"model": DEMO_FOLDER}, **fine))
    assert read_json(teacher / "metrics.json")["examples"] == 24
    assert read_json(teacher / "metrics.json")[UNLABELLED] == {"rows": 0, "left_out": 40}
    inputs |= {"teacher": teacher}
    inputs |= {"signals": run_stage(begin("s", "signals", inputs, **fine))}
    assert np.load(inputs["signals"] / "train.logits.npy").shape == (64, 2)
    with caplog.at_level(logging.INFO):
        student = run_stage(begin("kd", "student", inputs, **fine))
    metrics = read_json(student / "metrics.json")
    assert (metrics["examples"], metrics["steps"]) == (64, 4)
    assert metrics[UNLABELLED] == {"rows": 40, "left_out": 0}
    assert "40 train rows without a label: alp_kd gives them no hard term" in caplog.text


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    """The same labelled rows, with unlabelled ones and without."""
    return {
        name: {"encoded": prepared(tmp_path_factory.mktemp(name), unlabelled=count)}
        for name, count in (("with", 40), ("without", 0))
    }


def test_what_learns_from_labels_alone_leaves_the_others_out(
    begin: Make,
    taught: dict[str, dict[str, Path]],
    teacher: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The same losses and, but for rounding, the same weights as without such rows."""
    method = {"name": "no_kd", "beta": 1.0, "pooling": "cls"}
    folders = {}
    with caplog.at_level(logging.INFO):
        for name, inputs in taught.items():
            given = inputs | {"teacher": teacher}
            folders[name] = run_stage(begin(name, "student", given, method=method))
    assert "40 train rows without a label: no_kd leaves them out" in caplog.text
    predictions = [
        pd.read_csv(folder / "predictions" / "dev.csv")["p_positive"] for folder in folders.values()
    ]
    assert np.allclose(*predictions, atol=1e-4)
    metrics = [read_json(folder / "metrics.json") for folder in folders.values()]
    assert metrics[0]["steps"] == metrics[1]["steps"] == 2
    assert metrics[0][UNLABELLED] == {"rows": 0, "left_out": 40}
    assert UNLABELLED not in metrics[1]


def test_class_weights_change_a_training_and_nothing_else_does(
    begin: Make, taught: dict[str, dict[str, Path]], teacher: Path
) -> None:
    method = {"name": "no_kd", "beta": 1.0, "pooling": "cls"}
    given = taught["without"] | {"teacher": teacher}
    weights = [
        (run_stage(begin(kind, "student", given, method=method, training__class_weights=kind)))
        .joinpath("model.safetensors")
        .read_bytes()
        for kind in ("none", "balanced")
    ]
    plain = run_stage(begin("plain", "student", given, method=method))
    assert weights[0] == (plain / "model.safetensors").read_bytes() != weights[1]
