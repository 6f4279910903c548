"""Scores without a library against those that score models."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from alpkd_pipeline.reporting.statistics.scores import (
    ERRORS,
    OF_COUNTS,
    collapsed,
    constant_score,
    pseudo_values,
    score_of,
)
from alpkd_pipeline.tasks.metrics import METRICS, is_error

RNG = np.random.default_rng(0)


def drawn(metric, rows=60):
    classes = 2 if METRICS[metric].binary else 3
    if METRICS[metric].kind == "classification":
        labels, predictions = RNG.integers(0, classes, (2, rows))
        return labels, np.where(RNG.uniform(size=rows) < 0.6, labels, predictions)
    labels = np.round(RNG.uniform(0, 5, rows), 1)
    return labels, np.round(labels + RNG.normal(size=rows), 1)


@pytest.mark.parametrize("metric", METRICS)
def test_every_score_is_that_of_the_models(metric):
    for _ in range(20):
        labels, predictions = drawn(metric)
        found = score_of(metric, labels.tolist(), predictions.tolist())
        assert found == pytest.approx(METRICS[metric](predictions, labels), abs=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_one_answer_for_all_rows(metric):
    labels, predictions = drawn(metric)
    predictions = np.full_like(predictions, labels[0])
    with np.errstate(all="ignore"):
        wanted = METRICS[metric](predictions, labels)
    assert score_of(metric, labels.tolist(), predictions.tolist()) == pytest.approx(wanted)


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
@pytest.mark.parametrize("noise", [1e-7, 1e-6])
def test_numbers_that_differ_by_rounding_alone_have_no_correlation(metric, noise):
    labels, _ = drawn(metric)
    predictions = (2.5 + noise * labels).astype(np.float32).astype(np.float64)
    wanted = METRICS[metric](predictions, labels)
    assert (wanted == 0) == (noise == 1e-7)
    assert score_of(metric, labels.tolist(), predictions.tolist()) == pytest.approx(
        wanted, abs=1e-9
    )


@pytest.mark.parametrize("metric", OF_COUNTS)
def test_pseudo_values_are_those_of_leaving_each_row_out(metric):
    labels, predictions = drawn(metric, 25)
    n, whole = len(labels), METRICS[metric](predictions, labels)
    pairs = list(zip(labels.tolist(), predictions.tolist(), strict=True))
    values = pseudo_values(metric, Counter(pairs))
    for i, value in enumerate(values[pair] for pair in pairs):
        without = METRICS[metric](np.delete(predictions, i), np.delete(labels, i))
        assert value == pytest.approx(n * whole - (n - 1) * without)


def test_pseudo_values_of_the_accuracy_are_right_or_wrong():
    found = pseudo_values("accuracy", Counter([(0, 0), (1, 0), (1, 1)]))
    assert found == pytest.approx({(0, 0): 1, (1, 0): 0, (1, 1): 1})


def test_what_has_collapsed():
    assert collapsed([1, 1, 1], [0, 1, 1], "accuracy")
    assert not collapsed([1, 1, 0], [0, 1, 1], "matthews")
    assert collapsed([2.5, 2.6, 2.5], [0.0, 2.0, 5.0], "pearson")
    assert not collapsed([2.0, 2.6, 3.5], [0.0, 2.0, 5.0], "rmse")


def test_what_predicts_every_row_alike():
    assert constant_score("accuracy", [0, 1, 1, 1]) == 0.75
    assert constant_score("f1", [0, 1, 1, 1]) == pytest.approx(6 / 7)
    assert constant_score("matthews", [0, 1, 1]) == 0
    assert constant_score("rmse", [1.0, 3.0]) == 1
    assert constant_score("pearson", [1.0, 3.0]) == 0


def test_a_metric_that_is_none_of_ours_is_refused():
    with pytest.raises(KeyError):
        score_of("bleu", [1], [1])


def test_errors_are_those_of_the_models():
    assert set(ERRORS) == {name for name in METRICS if is_error(name)}
