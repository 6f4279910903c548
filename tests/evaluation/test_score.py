import json
import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.training.toys import room_for_rows
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import score_splits
from alpkd_pipeline.tasks.encode import read_encoded, write_encoded
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Hardware

from .conftest import STS, TASK, split

HERE: dict[str, Any] = {"hardware": Hardware("cpu", "a processor", "fp32", 1), "batch_size": 2}


@pytest.fixture
def scored(classifier, encoded, tmp_path):
    result = score_splits(
        classifier, encoded, TASK, tmp_path / "out", splits=("dev", "test", "extra"), **HERE
    )
    return result, tmp_path / "out"


def logits_by_hand(folder, rows):
    """Each row alone and unpadded through transformers' own classes."""
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    ids = [rows.input_ids[rows.offsets[i] : rows.offsets[i + 1]] for i in range(len(rows))]
    with torch.no_grad():
        return np.concatenate([model(torch.tensor(row.astype(int))[None]).logits for row in ids])


def test_scores_are_those_of_each_row_on_its_own(scored, classifier, encoded):
    result, _ = scored
    dev = read_encoded(encoded, "dev")
    predictions = logits_by_hand(classifier, dev).argmax(axis=1)
    assert 0 < predictions.sum() < len(predictions), (
        "both classes must occur for this test to say much"
    )
    found = result["splits"]["dev"]
    assert found["rows"] == 7
    assert found["scores"]["accuracy"] == pytest.approx((predictions == dev.labels).mean())
    right = ((predictions == 1) & (dev.labels == 1)).sum()
    assert found["scores"]["f1"] == pytest.approx(
        2 * right / (predictions.sum() + dev.labels.sum())
    )


def test_predictions_stand_in_the_order_of_the_split(scored, classifier, encoded):
    _, out = scored
    dev = read_encoded(encoded, "dev")
    logits = torch.tensor(logits_by_hand(classifier, dev))
    frame = pd.read_csv(out / "predictions" / "dev.csv")
    assert list(frame.columns) == ["idx", "label", "prediction", "p_no", "p_yes"]
    assert frame["idx"].tolist() == list(range(7))
    assert frame["label"].tolist() == dev.labels.tolist()
    np.testing.assert_allclose(frame["p_yes"], logits.softmax(dim=1)[:, 1], atol=1e-6)


def test_hidden_labels_are_predicted_but_not_scored(scored):
    result, out = scored
    assert result["splits"]["test"] == {"rows": 3, "scores": None}
    assert len(pd.read_csv(out / "predictions" / "test.csv")) == 3


def test_a_split_that_the_data_lacks_is_named(scored):
    result, out = scored
    assert result["skipped"] == ["extra"]
    assert set(result["splits"]) == {"dev", "test"}
    assert not (out / "predictions" / "extra.csv").exists()


def test_the_file_holds_what_is_returned(scored):
    result, out = scored
    assert json.loads((out / "scores.json").read_text()) == result
    assert result["environment"]["device"] == "cpu"
    assert result["environment"]["threads"] == 1
    assert "torch" in result["environment"]["libraries"]


def test_memory_that_is_too_short_is_recorded(scored, classifier, encoded, tmp_path):
    assert "memory" not in scored[0]
    with room_for_rows(1):
        found = score_splits(classifier, encoded, TASK, tmp_path / "x", splits=("dev",), **HERE)
    assert found["memory"][-1]["rows"] == 1
    assert found["splits"]["dev"]["scores"] == scored[0]["splits"]["dev"]["scores"]


def test_a_device_without_room_for_one_row_is_one_line(classifier, encoded, tmp_path):
    with room_for_rows(0), pytest.raises(UserError, match="with a single row at a time"):
        score_splits(classifier, encoded, TASK, tmp_path / "x", splits=("dev",), **HERE)


def test_each_split_is_said_in_the_log(classifier, encoded, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        score_splits(classifier, encoded, TASK, tmp_path, splits=("dev", "test"), **HERE)
    assert "dev: accuracy 0." in caplog.text
    assert "test: predicted, labels are hidden" in caplog.text


def test_partly_hidden_labels_count_as_hidden(classifier, tmp_path):
    write_encoded(tmp_path / "e", "test", split(np.array([0, -1, 1], dtype=np.int64)))
    result = score_splits(classifier, tmp_path / "e", TASK, tmp_path, splits=["test"], **HERE)
    assert result["splits"]["test"]["scores"] is None


def test_public_test_labels_are_scored(classifier, tmp_path):
    write_encoded(tmp_path / "e", "test", split(np.array([0, 1, 1], dtype=np.int64)))
    result = score_splits(classifier, tmp_path / "e", TASK, tmp_path, splits=["test"], **HERE)
    assert set(result["splits"]["test"]["scores"]) == {"accuracy", "f1"}


def test_train_is_scored_by_its_labelled_rows(classifier, tmp_path):
    folder, labels = tmp_path / "e", np.array([0, -1, 1, -1, 1], dtype=np.int64)
    write_encoded(folder, "train", split(labels))
    result = score_splits(classifier, folder, TASK, tmp_path, splits=["train"], **HERE)
    found = result["splits"]["train"]
    predictions = logits_by_hand(classifier, read_encoded(folder, "train")).argmax(axis=1)
    assert found["scores"]["accuracy"] == pytest.approx((predictions == labels)[labels >= 0].mean())
    assert (found["rows"], found["unlabelled"]) == (5, 2)


def test_regression(model_folder, tmp_path):
    folder = model_folder(STS)
    write_encoded(tmp_path / "e", "dev", split(np.array([0.0, 1.5, 5.0, 2.0])))
    result = score_splits(folder, tmp_path / "e", STS, tmp_path, splits=["dev"], **HERE)
    values = logits_by_hand(folder, read_encoded(tmp_path / "e", "dev"))[:, 0]
    frame = pd.read_csv(tmp_path / "predictions" / "dev.csv")
    np.testing.assert_allclose(frame["prediction"], values, atol=1e-5)
    by_hand = np.corrcoef(values, frame["label"])[0, 1]
    assert result["splits"]["dev"]["scores"]["pearson"] == pytest.approx(by_hand, abs=1e-5)


def test_no_split_at_all_is_refused(classifier, tmp_path):
    with pytest.raises(UserError, match="none of the splits dev, test"):
        score_splits(classifier, tmp_path, TASK, tmp_path, splits=("dev", "test"), **HERE)


def test_a_model_of_another_task_is_refused(classifier, encoded, tmp_path):
    three = Task("nli", "classification", ("sentence",), ("a", "b", "c"), ("accuracy",))
    with pytest.raises(UserError, match="2 outputs, but task 'nli' needs 3"):
        score_splits(classifier, encoded, three, tmp_path, splits=["dev"], **HERE)


def test_another_tokenizer_s_ids_are_refused(classifier, tmp_path):
    write_encoded(tmp_path / "e", "dev", split(np.array([0, 1]), top=20))
    with pytest.raises(UserError, match=r"token id 20, .* knows 20 tokens"):
        score_splits(classifier, tmp_path / "e", TASK, tmp_path, splits=["dev"], **HERE)


def test_predictions_that_are_not_numbers_are_refused(model_folder, encoded, tmp_path):
    folder = model_folder(TASK)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.classifier.weight.data.fill_(float("nan"))
    model.save_pretrained(folder)
    with pytest.raises(UserError, match="split 'test' are not finite"):
        score_splits(folder, encoded, TASK, tmp_path, splits=["test"], **HERE)
