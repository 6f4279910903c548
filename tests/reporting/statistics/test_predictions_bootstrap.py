"""The interval over dev examples: coverage, edges, and that both models get the same draws."""

from __future__ import annotations

import dataclasses
import tracemalloc
import warnings

import numpy as np
import pytest
from scipy import stats

from alpkd_pipeline.reporting.statistics.predictions import VECTORISED, one_pair, unseen_share
from alpkd_pipeline.tasks.metrics import METRICS


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def predictions(labels, wrong, seed):
    """Answers of which a share is wrong."""
    flip = np.random.default_rng(seed).uniform(size=len(labels)) < wrong
    return np.where(flip, 1 - labels, labels)


LABELS = np.random.default_rng(0).integers(0, 2, 400)
GOOD, BAD = predictions(LABELS, 0.1, 1), predictions(LABELS, 0.3, 2)


def test_the_scores_are_the_metrics():
    found = one_pair("accuracy", LABELS, GOOD, BAD)
    assert found.candidate == METRICS["accuracy"](GOOD, LABELS)
    assert found.reference == METRICS["accuracy"](BAD, LABELS)
    assert found.difference == found.candidate - found.reference
    assert (found.rows, found.differing) == (400, int((GOOD != BAD).sum()))


def test_the_width_is_that_of_paired_differences():
    found = one_pair("accuracy", LABELS, GOOD, BAD)
    each = (GOOD == LABELS).astype(float) - (BAD == LABELS)
    half = 1.96 * each.std() / np.sqrt(len(each))
    assert found.low == pytest.approx(found.difference - half, abs=0.008)
    assert found.high == pytest.approx(found.difference + half, abs=0.008)


def test_predictions_that_are_the_same_have_no_difference_however_rows_are_drawn():
    found = one_pair("accuracy", LABELS, GOOD, GOOD)
    assert (found.difference, found.low, found.high, found.differing) == (0, 0, 0, 0)
    assert not found.has_interval
    assert one_pair("accuracy", LABELS, GOOD, BAD).has_interval


def test_a_difference_of_rounding_is_no_interval():
    found = one_pair("accuracy", LABELS, GOOD, GOOD)
    assert not dataclasses.replace(found, high=1e-15).has_interval
    assert dataclasses.replace(found, high=1e-5).has_interval


@pytest.mark.parametrize("rows", [1, 10, 408, 40_430])
def test_what_was_never_seen_has_the_exact_bound(rows):
    """Clopper and Pearson's for none of N, one-sided at 95 %."""
    exact = stats.binomtest(0, rows, alternative="less").proportion_ci(0.95, "exact").high
    assert unseen_share(rows) == pytest.approx(exact)


def test_the_same_draws_every_time():
    assert one_pair("accuracy", LABELS, GOOD, BAD) == one_pair("accuracy", LABELS, GOOD, BAD)


@pytest.mark.parametrize("metric", ["f1", "matthews"])
def test_metrics_of_classes(metric, monkeypatch):
    monkeypatch.setattr(f"{one_pair.__module__}.RESAMPLES", 200)
    found = one_pair(metric, LABELS, GOOD, BAD)
    assert 0 < found.low < found.difference < found.high


@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_metrics_of_numbers(metric, monkeypatch):
    monkeypatch.setattr(f"{one_pair.__module__}.RESAMPLES", 200)
    labels = np.random.default_rng(0).normal(size=100)
    near = labels + np.random.default_rng(1).normal(size=100) / 4
    far = labels + np.random.default_rng(2).normal(size=100)
    found = one_pair(metric, labels, near, far)
    assert 0 < found.low < found.difference < found.high


@pytest.mark.parametrize("metric", VECTORISED)
def test_scoring_many_resamples_at_once_is_scoring_each(metric):
    drawn = np.random.default_rng(3).integers(0, 400, (5, 400))
    together = VECTORISED[metric](BAD[drawn], LABELS[drawn])
    assert together.tolist() == [METRICS[metric](BAD[rows], LABELS[rows]) for rows in drawn]


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        one_pair("accuracy", LABELS, GOOD[:-1], BAD)


def test_batches_change_nothing(monkeypatch):
    monkeypatch.setattr(f"{one_pair.__module__}.RESAMPLES", 100)
    rng = np.random.default_rng(0)
    labels, candidate, reference = rng.integers(0, 2, (3, 200))
    whole = [one_pair(m, labels, candidate, reference) for m in ("accuracy", "f1")]
    monkeypatch.setattr("alpkd_pipeline.reporting.statistics.predictions.BATCH", 1000)
    assert [one_pair(m, labels, candidate, reference) for m in ("accuracy", "f1")] == whole


def test_a_large_split_does_not_fill_the_memory(monkeypatch):
    """QQP has 40,430 dev rows; all resamples at once would take gigabytes."""
    monkeypatch.setattr(f"{one_pair.__module__}.RESAMPLES", 200)
    rng = np.random.default_rng(0)
    labels, candidate, reference = rng.integers(0, 2, (3, 40_430))
    tracemalloc.start()
    one_pair("accuracy", labels, candidate, reference)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
