"""The paired test against scipy, against numbers worked by hand, and at its edges."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from alpkd_pipeline.reporting.statistics.paired import PairedTest, paired_test, t_tests

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
    # Differences .02 .03 .01 .04: mean .025, std sqrt(.0005 / 3) = .0129099, t = .025 / (std / 2)
    assert found.n == 4
    assert found.difference == pytest.approx(0.025)
    assert found.std == pytest.approx(0.01290994)
    assert found.t == pytest.approx(3.8729833)
    # d_z = .025 / .0129099 = 1.936492; Hedges' J for 3 degrees of freedom is 0.723601
    assert found.effect == pytest.approx(1.936492 * 0.7236013, abs=1e-5)
    assert found.permutation_p is None


def test_scipy_says_the_same():
    found = paired_test(OURS, THEIRS)
    reference = stats.ttest_rel(list(OURS.values()), list(THEIRS.values()))
    interval = reference.confidence_interval(0.95)
    assert (found.t, found.p) == pytest.approx((reference.statistic, reference.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_detectable_difference_is_found_with_the_power_that_is_said():
    found = paired_test(OURS, THEIRS)
    power = TTestPower().power(found.detectable / found.std, nobs=4, alpha=0.05)
    assert power == pytest.approx(0.8, abs=1e-4)


def test_only_shared_seeds_count():
    assert paired_test(OURS | {7: 0.1}, THEIRS | {9: 0.9}) == paired_test(OURS, THEIRS)
    assert paired_test(OURS | {-7: 0.1}, {-9: 0.9} | THEIRS) == paired_test(OURS, THEIRS)


def test_the_other_way_round_changes_the_sign_alone():
    there, back = paired_test(OURS, THEIRS), paired_test(THEIRS, OURS)
    assert back.difference == -there.difference
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low))
    assert (back.p, back.detectable) == pytest.approx((there.p, there.detectable))


def test_without_shared_seeds_nothing_is_known():
    assert paired_test({0: 0.5}, {1: 0.5}) == PairedTest(0)


@pytest.mark.parametrize("n", [1, 2])
def test_below_three_seeds_there_is_a_difference_and_no_test(n):
    found = paired_test(seeds([0.9, 0.8][:n]), seeds([0.7, 0.7][:n]))
    assert found.n == n
    assert found.difference == pytest.approx([0.2, 0.15][n - 1])
    assert found.p is found.t is found.low is found.effect is found.detectable is None


@pytest.mark.parametrize("n", [3, 10])
def test_identical_scores_differ_by_nothing(n):
    scores = seeds(np.linspace(0.7, 0.8, n))
    found = paired_test(scores, scores)
    assert (found.difference, found.std, found.t, found.p, found.effect) == (0, 0, 0, 1, 0)
    assert found.low is found.high is found.detectable is None


@pytest.mark.parametrize("n", [3, 5, 8])
def test_one_difference_for_all_seeds_is_judged_by_the_signs(n):
    ours, theirs = seeds([0.3, 0.7, 0.6, 0.1] * 2), seeds([0.2, 0.6, 0.5, 0.0] * 2)
    found = paired_test({s: ours[s] for s in range(n)}, {s: theirs[s] for s in range(n)})
    assert found.difference == pytest.approx(0.1)
    assert found.t == math.inf
    assert found.p == 2.0 ** (1 - n)
    assert found.low is found.effect is found.detectable is None


def test_the_signs_say_for_constant_differences_what_the_exact_test_says():
    found = paired_test(seeds([0.5] * 8), seeds([0.4] * 8))
    assert found.permutation_p == pytest.approx(found.p)


def test_the_test_of_the_signs_begins_with_eight_seeds():
    # All positive: of 2^n flips only the two extreme ones are as far from 0.
    for n, p in ((7, None), (8, 2 / 2**8), (10, 2 / 2**10)):
        ours = seeds(np.linspace(0.1, 0.2, n))
        assert paired_test(ours, seeds([0.0] * n)).permutation_p == p


def test_many_seeds_are_sampled_and_give_the_same_every_time():
    rng = np.random.default_rng(0)
    ours, theirs = seeds(rng.normal(0.3, 1, 30)), seeds(rng.normal(0, 1, 30))
    found = paired_test(ours, theirs)
    assert found.permutation_p == paired_test(ours, theirs).permutation_p
    assert found.permutation_p == pytest.approx(found.p, abs=0.03)


def test_many_tests_at_once_are_the_tests_one_by_one():
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(size=(2, 3, 4, 6))
    ours[0, 0] = theirs[0, 0]
    ours[1, 2] = theirs[1, 2] - 0.25
    t, p = t_tests(ours, theirs)
    assert t.shape == p.shape == (3, 4)
    assert (t[0, 0], p[0, 0]) == (0, 1)
    assert (t[1, 2], p[1, 2]) == (-math.inf, 2.0**-5)
    for place in np.ndindex(3, 4):
        one = paired_test(seeds(ours[place]), seeds(theirs[place]))
        assert (t[place], p[place]) == pytest.approx((one.t, one.p))
