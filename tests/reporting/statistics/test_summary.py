"""Means over seeds against numbers worked by hand."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from alpkd_pipeline.reporting.statistics import summary
from alpkd_pipeline.reporting.statistics.summary import (
    SeedSummary,
    no_spread,
    seed_summary,
    t_interval,
)


def test_three_seeds_by_hand():
    found = seed_summary([0.80, 0.82, 0.84])
    # sqrt((.02^2 + 0 + .02^2) / 2) = .02; t(.975, 2) = 4.302653; 4.302653 * .02 / sqrt(3)
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert (found.n, found.mean, found.std) == (3, pytest.approx(0.82), pytest.approx(0.02))
    assert found.low == pytest.approx(0.82 - half, abs=1e-7)
    assert found.high == pytest.approx(0.82 + half, abs=1e-7)


def test_a_surer_interval_is_wider(monkeypatch):
    found = []
    for level in (0.9, 0.99):
        monkeypatch.setattr(summary, "LEVEL", level)
        found.append(seed_summary([0.1, 0.2, 0.4]))
    sure, surer = found
    assert surer.low < sure.low < sure.high < surer.high


def test_one_seed_has_a_mean_and_no_more():
    assert seed_summary([0.7]) == SeedSummary(1, 0.7, None, None, None)


def test_equal_scores_claim_no_certainty():
    assert seed_summary([0.7, 0.7, 0.7]) == SeedSummary(3, pytest.approx(0.7), 0.0, None, None)


@pytest.mark.parametrize("scores", [[], [0.5, math.nan], [math.inf]])
def test_what_is_no_score_is_refused(scores):
    with pytest.raises(ValueError, match="finite scores"):
        seed_summary(scores)


def test_rounding_is_no_spread_and_one_example_of_a_million_is():
    assert no_spread([0.3, 0.1 + 0.2, 0.3])
    assert not no_spread([0.3, 0.3, 0.300001])


@pytest.mark.parametrize("n", [2, 3, 5, 30])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_is_that_of_scipy(n, level, monkeypatch):
    monkeypatch.setattr(summary, "LEVEL", level)
    expected = stats.t.interval(level, n - 1, loc=0.7, scale=0.02 / n**0.5)
    assert t_interval(n, 0.7, 0.02) == pytest.approx(expected, rel=1e-10)
