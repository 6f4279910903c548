from dataclasses import replace

import numpy as np
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.metrics import (
    METRICS,
    check_metrics,
    is_error,
    score,
    score_predictions,
    sign,
)
from alpkd_pipeline.tasks.task import Task, TaskKind

PREDICTIONS = np.array([1, 1, 0, 1, 0, 0])
LABELS = np.array([1, 0, 0, 1, 1, 0])
"""Class 1: 2 true positives, 1 false positive, 1 false negative; class 0 the same."""


pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 4 / 6),
        ("f1", 2 * 2 / (2 * 2 + 1 + 1)),
        ("f1_macro", 2 / 3),
        # (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) = (2*2 - 1*1) / sqrt(3*3*3*3)
        ("matthews", 3 / 9),
    ],
)
def test_two_classes(name: str, expected: float) -> None:
    found = METRICS[name](PREDICTIONS, LABELS)
    assert found == pytest.approx(expected, abs=1e-12)
    assert type(found) is float


def test_f1_is_that_of_class_1() -> None:
    """Class 1: 1 true positive, 0 false positives, 2 false negatives: 2 / (2 + 0 + 2)."""
    predictions, labels = np.array([1, 0, 0, 0, 0]), np.array([1, 1, 1, 0, 0])
    assert METRICS["f1"](predictions, labels) == pytest.approx(0.5)
    # class 0: 2 true positives, 2 false positives, 0 false negatives: 4 / (4 + 2 + 0)
    assert METRICS["f1_macro"](predictions, labels) == pytest.approx((0.5 + 4 / 6) / 2)


def test_f1_macro_with_three_classes() -> None:
    """Class 0 misses one row, class 1 gets it wrongly: F1 2/(2+0+1), 2/(2+1+0) and 1."""
    predictions, labels = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 2])
    assert METRICS["f1_macro"](predictions, labels) == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)


def test_correlations() -> None:
    """Deviations from the means: -1.5 -0.5 0.5 1.5 and -2.5 -1.5 -0.5 4.5."""
    labels, predictions = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 1.0, 2.0, 7.0])
    covariance = 1.5 * 2.5 + 0.5 * 1.5 - 0.5 * 0.5 + 1.5 * 4.5
    expected = covariance / np.sqrt(5 * (2.5**2 + 1.5**2 + 0.5**2 + 4.5**2))
    assert METRICS["pearson"](predictions, labels) == pytest.approx(expected)
    assert METRICS["spearman"](predictions, labels) == pytest.approx(1.0)


def test_errors_are_in_the_unit_of_the_labels() -> None:
    """Errors 1, 0, -2, 3: squares 1 + 0 + 4 + 9."""
    predictions, labels = np.array([1.0, 2.0, 3.0, 7.0]), np.array([0.0, 2.0, 5.0, 4.0])
    assert METRICS["rmse"](predictions, labels) == pytest.approx(np.sqrt(14 / 4))
    assert METRICS["mae"](predictions, labels) == pytest.approx(6 / 4)
    for name in ("rmse", "mae"):
        assert METRICS[name](labels, predictions) == METRICS[name](predictions, labels)
        assert METRICS[name](labels, labels) == 0.0
        assert type(METRICS[name](predictions, labels)) is float


@pytest.mark.parametrize(("name", "expected"), [("rmse", np.sqrt(5 / 4)), ("mae", 1.0)])
def test_a_constant_has_the_error_that_it_has(name: str, expected: float) -> None:
    """Unlike a correlation, an error is defined for it: 1, 0, 0, 2 and 1, 1, 1, 1."""
    labels = np.array([1.0, 2.0, 2.0, 4.0]) if name == "rmse" else np.array([1.0, 3.0, 3.0, 1.0])
    assert METRICS[name](np.full(4, 2.0), labels) == pytest.approx(expected)


def test_of_errors_less_is_better() -> None:
    known = ("accuracy", "f1", "f1_macro", "matthews", "pearson", "spearman", "rmse", "mae")
    assert [name for name in known if is_error(name)] == ["rmse", "mae"]
    assert (sign("rmse"), sign("mae"), sign("pearson"), sign("accuracy")) == (-1, -1, 1, 1)
    # The score of a run of another version, or of a user's own.
    assert (is_error("other"), sign("other")) == (False, 1)


def test_spearman_shares_ranks_between_ties() -> None:
    """Ranks 1.5 1.5 3 and 1 2 3: covariance 1.5, deviations sqrt(1.5 * 2)."""
    found = METRICS["spearman"](np.array([0.0, 0.0, 9.0]), np.array([1.0, 2.0, 3.0]))
    assert found == pytest.approx(1.5 / np.sqrt(1.5 * 2))


@pytest.mark.parametrize("name", ["matthews", "pearson", "spearman"])
def test_constant_predictions_score_0_without_a_warning(name: str) -> None:
    constant, labels = np.ones(4), np.array([0.0, 1.0, 1.0, 0.0])
    assert METRICS[name](constant, labels) == 0.0
    assert METRICS[name](labels, constant) == 0.0


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_predictions_that_differ_by_rounding_alone_score_0(name: str) -> None:
    """A model that says 2.5 to everything is not perfect because its last bits rise."""
    labels = np.arange(8.0)
    rounded = (2.5 + np.arange(8) * np.finfo(np.float32).eps).astype(np.float32)
    assert len(set(rounded.tolist())) > 2
    assert METRICS[name](rounded, labels) == 0.0
    assert METRICS[name](2.5 + labels * 1e-5, labels) == pytest.approx(1.0)
    assert METRICS[name](labels[:1], labels[:1]) == 0.0


def test_f1_without_any_positive_is_0_without_a_warning() -> None:
    assert METRICS["f1"](np.zeros(3, int), np.zeros(3, int)) == 0.0


def test_sign_and_scale_do_not_change_correlations() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.normal(size=50), draw.normal(size=50)
    for name in ("pearson", "spearman"):
        assert METRICS[name](3 * a + 1, b) == pytest.approx(METRICS[name](a, b))
        assert METRICS[name](-a, b) == pytest.approx(-METRICS[name](a, b))


@pytest.mark.parametrize(
    ("names", "kind", "classes", "message"),
    [
        (("f1",), "classification", 3, "'f1' does not fit a classification with 3 classes"),
        (("accuracy", "pearson"), "classification", 2, "'pearson' does not fit a classification"),
        (("accuracy",), "regression", 1, "'accuracy' does not fit a regression; .*pearson, spear"),
        (("acuracy",), "classification", 2, "unknown metric 'acuracy' .did you mean 'accuracy'"),
        ((), "classification", 2, "task.metrics is empty; choose from accuracy, f1, f1_macro"),
    ],
)
def test_metrics_that_do_not_fit(
    names: tuple[str, ...], kind: TaskKind, classes: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        check_metrics(names, kind, classes)
    assert "\n" not in str(caught.value)


def test_metrics_that_fit() -> None:
    check_metrics(("accuracy", "f1", "f1_macro", "matthews"), "classification", 2)
    check_metrics(("accuracy", "f1_macro", "matthews"), "classification", 3)
    check_metrics(("pearson", "spearman"), "regression", 1)


def test_score_takes_the_highest_logit(mood: Task) -> None:
    task = replace(mood, metrics=("accuracy", "f1"))
    logits = np.array([[0.0, 1.0], [2.0, 1.0], [-3.0, -2.0], [0.0, -1.0]], dtype=np.float32)
    assert score(task, logits, np.array([1, 0, 0, 1])) == {"accuracy": 0.5, "f1": 0.5}


def test_score_of_a_regression_takes_the_one_output(likeness: Task) -> None:
    logits = np.array([[1.0], [2.0], [4.0]])
    assert score(likeness, logits, np.array([1.0, 2.0, 4.0])) == {"pearson": pytest.approx(1.0)}


def test_hidden_labels_are_refused(mood: Task, likeness: Task) -> None:
    with pytest.raises(UserError, match="1 of 2 labels are hidden"):
        score(mood, np.zeros((2, 2)), np.array([-1, 0]))
    with pytest.raises(UserError, match="2 of 2 labels are hidden"):
        score(likeness, np.zeros((2, 1)), np.array([-1.0, -1.0]))
    signed = replace(likeness, label_range=(-1.0, 1.0))
    assert score(signed, np.array([[0.0], [1.0]]), np.array([-1.0, 1.0]))["pearson"] == 1.0
    with pytest.raises(UserError, match="1 of 2 labels are hidden"):
        score(signed, np.zeros((2, 1)), np.array([np.nan, 1.0]))


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (np.zeros((2, 3)), np.zeros(2), r"shape \(2, 3\) do not fit 2 labels"),
        (np.zeros((2, 2)), np.zeros(3), r"shape \(2, 2\) do not fit 3 labels"),
        (np.array([[0.0, np.nan]]), np.zeros(1), "not finite"),
        (np.zeros((0, 2)), np.zeros(0), "no rows"),
    ],
)
def test_outputs_that_cannot_be_scored(
    mood: Task, logits: np.ndarray, labels: np.ndarray, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        score(mood, logits, labels)


def test_score_predictions(mood: Task) -> None:
    assert score_predictions(mood, np.array([0, 1]), np.array([0, 0])) == {"accuracy": 0.5}
