"""A table teaches: its answers are scored, recorded and learned from like a model's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.training.conftest import Make

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.run import score_run
from alpkd_pipeline.models.encoder import encode_folder
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tasks.sources import demo
from alpkd_pipeline.tasks.teacher_table import teacher_names
from alpkd_pipeline.tasks.validate import write_splits
from alpkd_pipeline.training.dispatch import run_stage

TABLE = {"teacher__source": "table"}
KD = {"name": "kd", "beta": 0.2, "eta": 0.8, "temperature": 2.0, "pooling": "cls"}


def encoded_table(folder: Path, right: float) -> Path:
    """Rows of the demo and what a teacher says of them, right in so many of ten rows."""
    frames = demo.load()
    negative, positive = teacher_names(demo.TASK, "probabilities").values()
    made = {}
    for split, count in (("train", 64), ("dev", 40)):
        frame = frames[split].head(count)
        said = frame["label"] ^ (np.arange(count) % 10 >= right)
        made[split] = frame.assign(**{negative: 0.9 - 0.8 * said, positive: 0.1 + 0.8 * said})
    splits, encoded = folder / "splits", folder / "encoded"
    splits.mkdir()
    write_splits(made, demo.TASK.to_dict(), 0.1, splits)
    encoded.mkdir()
    encode_folder(splits, demo.TASK.to_dict(), DEMO_FOLDER, 64, encoded)
    return encoded


def test_a_table_is_scored_recorded_and_learned_from(begin: Make, tmp_path: Path) -> None:
    encoded = encoded_table(tmp_path, right=9)
    inputs = {"encoded": encoded, "model": DEMO_FOLDER}
    teacher = run_stage(begin("t", "teacher", inputs, **TABLE))
    metrics = read_json(teacher / "metrics.json")
    assert metrics["scores"]["dev"]["accuracy"] == 0.9
    assert "parameters" not in metrics  # a table has none
    predictions = pd.read_csv(teacher / "predictions" / "dev.csv")
    assert np.allclose(predictions["p_positive"].map(lambda p: min(p, 1 - p)), 0.1)
    inputs |= {"teacher": teacher}
    signals = run_stage(begin("s", "signals", inputs, **TABLE))
    assert sorted(path.name for path in signals.glob("*.npy")) == [
        "dev.logits.npy",
        "train.logits.npy",
    ]
    assert read_json(signals / "signals.json")["rows"] == 104
    student = run_stage(begin("kd", "student", inputs | {"signals": signals}, method=KD, **TABLE))
    assert '"soft"' in (student / "events.jsonl").read_text()
    assert read_json(student / "metrics.json")["steps"] == 4


@pytest.mark.parametrize("stage", ["teacher_scores", "student_scores"])
def test_only_the_teacher_s_scores_are_the_table_s(begin: Make, tmp_path: Path, stage: str) -> None:
    encoded = encoded_table(tmp_path, right=9)
    inputs = {"encoded": encoded, "model": DEMO_FOLDER}
    model = run_stage(begin("t", "teacher", inputs, **TABLE))
    folder = begin("scores", stage, {"model": model, "encoded": encoded}, **TABLE)
    score_run(model, encoded, folder, splits="dev")
    found = read_json(folder / "scores.json")["splits"]["dev"]
    assert found["rows"] == 40
    # The encoder beside a table has learned nothing.
    assert (found["scores"]["accuracy"] == 0.9) == (stage == "teacher_scores")


@pytest.mark.parametrize(
    ("right", "words"), [(5, "its table is of other rows"), (1, "correct task.teacher_columns")]
)
def test_a_table_that_knows_nothing_is_refused(
    begin: Make, tmp_path: Path, right: int, words: str
) -> None:
    inputs = {"encoded": encoded_table(tmp_path, right), "model": DEMO_FOLDER}
    folder = begin("t", "teacher", inputs, **TABLE)
    with pytest.raises(UserError) as caught:
        run_stage(folder)
    assert words in str(caught.value)
    assert not (folder / "metrics.json").exists()
