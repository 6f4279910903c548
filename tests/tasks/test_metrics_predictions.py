from __future__ import annotations

import csv
import io
import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from alpkd_pipeline.tasks.metrics import predictions_frame, score
from alpkd_pipeline.tasks.task import Task


def softmax(logits: np.ndarray) -> np.ndarray:
    """The probabilities of a frame of answers."""
    rows, classes = logits.shape
    task = Task("t", "classification", ("a",), tuple(map(str, range(classes))), ("accuracy",))
    frame = predictions_frame(task, np.arange(rows), np.zeros(rows, int), logits)
    return frame[[f"p_{name}" for name in task.label_names]].to_numpy()


def test_softmax_by_hand() -> None:
    found = softmax(np.array([[0.0, math.log(3)], [5.0, 5.0]], dtype=np.float32))
    np.testing.assert_allclose(found, [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    assert found.dtype == np.float64


def test_softmax_of_large_numbers() -> None:
    found = softmax(np.array([[1e4, 1e4 - math.log(3)], [-1e4, 1e4]]))
    np.testing.assert_allclose(found, [[0.75, 0.25], [0.0, 1.0]], rtol=1e-6)


def test_probabilities_sum_to_one() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32) * 20
    np.testing.assert_allclose(softmax(logits).sum(axis=1), 1.0, rtol=1e-12)


def test_a_classification(mood: Task) -> None:
    logits = np.array([[0.0, math.log(3)], [2.0, 1.0]], dtype=np.float32)
    frame = predictions_frame(mood, np.array([7, 9]), np.array([-1, 0]), logits)
    assert list(frame.columns) == ["idx", "label", "prediction", "p_negative", "p_positive"]
    assert frame["idx"].tolist() == [7, 9]
    assert frame["label"].tolist() == [-1, 0]
    assert frame["prediction"].tolist() == [1, 0]
    assert frame.loc[0, "p_positive"] == pytest.approx(0.75)


def test_a_tie_goes_to_the_first_class(mood: Task) -> None:
    frame = predictions_frame(mood, np.array([0]), np.array([1]), np.zeros((1, 2)))
    assert frame["prediction"].tolist() == [0]


def test_a_regression_predicts_with_its_number(likeness: Task) -> None:
    logits = np.array([[2.5], [-0.5]], dtype=np.float32)
    frame = predictions_frame(likeness, np.array([0, 1]), np.array([3.0, 0.5]), logits)
    assert list(frame.columns) == ["idx", "label", "prediction"]
    assert frame["prediction"].tolist() == [2.5, -0.5]


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=3, max_size=40).filter(
        lambda values: len({round(value, 3) for value in values}) > 2
    )
)
def test_a_file_of_numbers_has_exactly_the_stored_score(values: list[float]) -> None:
    task = Task(
        "likeness", "regression", ("a", "b"), (), ("pearson", "spearman"), label_range=(0.0, 5.0)
    )
    labels = np.random.default_rng(len(values)).uniform(0, 5, len(values)).round(3)
    logits = np.array(values, dtype=np.float32)[:, None]
    file = predictions_frame(task, np.arange(len(values)), labels, logits).to_csv(index=False)
    read = list(csv.DictReader(io.StringIO(file)))
    told = [np.array([float(row[name]) for row in read]) for name in ("prediction", "label")]
    assert told[0].tolist() == logits[:, 0].tolist()
    again = {
        "pearson": float(scipy.stats.pearsonr(*told).statistic),
        "spearman": float(scipy.stats.spearmanr(*told).statistic),
    }
    assert score(task, logits, labels) == again
    pd.testing.assert_frame_equal(
        pd.read_csv(io.StringIO(file))[["prediction"]],
        pd.DataFrame({"prediction": told[0]}),
        check_exact=True,
    )


def test_no_rows(mood: Task) -> None:
    empty = np.empty(0, dtype=np.int64)
    frame = predictions_frame(mood, empty, empty, np.empty((0, 2), dtype=np.float32))
    assert len(frame) == 0
    assert "p_positive" in frame.columns


def test_a_file_of_it_reads_back(mood: Task) -> None:
    logits = np.array([[0.1, 0.2], [0.4, 0.3]], dtype=np.float32)
    frame = predictions_frame(mood, np.array([0, 1]), np.array([0, 1]), logits)
    again = pd.read_csv(io.StringIO(frame.to_csv(index=False)))
    pd.testing.assert_frame_equal(again, frame, check_exact=True)
