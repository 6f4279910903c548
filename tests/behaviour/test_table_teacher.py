"""A language model's answers as columns of one's own files: from there to a published student."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.sources import demo


def write_files(folder: Path) -> None:
    """The demo's rows, and what somebody says of them who is right in 95 of 100."""
    draw = np.random.default_rng(0)
    for split, rows in (("train", 2500), ("dev", 300)):
        frame = demo.load()[split].head(rows)[["sentence", "label"]]
        sure = draw.uniform(0.6, 0.99, rows)
        said = frame["label"] ^ (draw.random(rows) < 0.05).astype(int)
        frame["p_bad"] = np.where(said == 0, sure, 1 - sure)
        frame["p_good"] = 1 - frame["p_bad"]
        frame.to_csv(folder / f"{split}.csv", index=False)


@pytest.mark.slow
def test_a_table_teaches_and_its_student_is_published(kedro, tmp_path: Path) -> None:
    write_files(tmp_path)
    given = {
        "run.store": tmp_path / "data",
        "run.tracking": "off",
        "task.name": "mine",
        "task.source": "table",
        "task.path": tmp_path,
        "task.files.train": "train.csv",
        "task.files.dev": "dev.csv",
        "task.text_columns": "sentence",
        "task.labels": "bad|good",
        "task.max_overlap": 0.5,
        "task.teacher_columns.bad": "p_bad",
        "task.teacher_columns.good": "p_good",
        "teacher.source": "table",
        "teacher.model": DEMO_FOLDER,
        "method.name": "kd",
        "student.layers": 12,
        "training.epochs": 3,
        "export.repeats": 20,
        "export.batches": 2,
    }
    params = ",".join(f"{name}={value}" for name, value in given.items())
    for pipeline in ("evaluate", "compare", "export"):
        done = kedro("run", f"--pipeline={pipeline}", f"--params={params}")
        assert done.returncode == 0, done.stderr
    data = tmp_path / "data"
    scores = {}
    for path in data.glob("07_model_output/scores/mine/*/scores.json"):
        name = path.parent.name.partition("-")[0]
        scores[name] = read_json(path)["splits"]["dev"]["scores"]["accuracy"]
    predictions = pd.read_csv(tmp_path / "dev.csv")
    right = ((predictions["p_good"] > 0.5) == predictions["label"]).mean()
    assert scores["table"] == pytest.approx(right)
    assert scores["kd"] > 0.8
    assert not [*data.glob("07_model_output/latency/mine/table-*")]
    assert [*data.glob("07_model_output/latency/mine/kd-*")]
    (table,) = data.glob("08_reporting/comparison/*/students.csv")
    rows = pd.read_csv(table)
    assert rows["teacher"].str.startswith("mine-teacher-table-s0-").all()
    assert rows[["teacher_parameters", "speed_up"]].isna().all(axis=None)
    (card,) = data.glob("06_models/exports/mine/kd-*/README.md")
    text = card.read_text("utf-8")
    assert "from what a table says of the train rows (probabilities)" in text
    assert "its teacher |" in text
    assert "faster than this model, torch fp32" in text
    assert "fine-tuned for the same task" not in text
