"""The paired t that stands beside a verdict: against scipy, by hand, and at its edges."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats

from alpkd_pipeline.reporting.statistics.summary import PairedTest, paired_test

OURS = {0: 0.84, 1: 0.86, 2: 0.83, 3: 0.88}
THEIRS = {0: 0.82, 1: 0.83, 2: 0.82, 3: 0.84}


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def seeds(values):
    return dict(enumerate(values))


def test_four_seeds_by_hand():
    found = paired_test(OURS, THEIRS)
    # Differences .02 .03 .01 .04: mean .025, std sqrt(.0005 / 3) = .0129099
    assert found.n == 4
    assert found.difference == pytest.approx(0.025)
    assert found.std == pytest.approx(0.01290994)
    # d_z = .025 / .0129099 = 1.936492; Hedges' J for 3 degrees of freedom is 0.723601
    assert found.effect == pytest.approx(1.936492 * 0.7236013, abs=1e-5)


def test_scipy_says_the_same():
    found = paired_test(OURS, THEIRS)
    reference = stats.ttest_rel(list(OURS.values()), list(THEIRS.values()))
    interval = reference.confidence_interval(0.95)
    assert found.p == pytest.approx(reference.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_only_shared_seeds_count():
    assert paired_test(OURS | {7: 0.1}, THEIRS | {9: 0.9}) == paired_test(OURS, THEIRS)
    assert paired_test(OURS | {-7: 0.1}, {-9: 0.9} | THEIRS) == paired_test(OURS, THEIRS)


def test_the_other_way_round_changes_the_sign_alone():
    there, back = paired_test(OURS, THEIRS), paired_test(THEIRS, OURS)
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert back.p == pytest.approx(there.p)


def test_without_shared_seeds_nothing_is_known():
    assert paired_test({0: 0.5}, {1: 0.5}) == PairedTest(0)


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_there_is_a_difference_and_no_test(n):
    found = paired_test(seeds([0.9, 0.8][:n]), seeds([0.7, 0.7][:n]))
    assert found.n == n
    assert found.difference == pytest.approx([0.2, 0.15][n - 1])
    assert found.p is found.low is found.effect is None


@pytest.mark.parametrize("n", [3, 10])
def test_identical_scores_differ_by_nothing(n):
    scores = seeds(np.linspace(0.7, 0.8, n))
    found = paired_test(scores, scores)
    assert (found.difference, found.std, found.p, found.effect) == (0, 0, 1, 0)
    assert found.low is found.high is None


@pytest.mark.parametrize("n", [3, 5, 8])
def test_one_difference_for_all_seeds_is_judged_by_the_signs(n):
    candidate, reference = seeds([0.3, 0.7, 0.6, 0.1] * 2), seeds([0.2, 0.6, 0.5, 0.0] * 2)
    found = paired_test({s: candidate[s] for s in range(n)}, {s: reference[s] for s in range(n)})
    assert found.difference == pytest.approx(0.1)
    assert found.p == 2.0 ** (1 - n)
    assert found.low is found.effect is None
