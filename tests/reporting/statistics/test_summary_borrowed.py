"""The borrowed t: by hand, against scipy, and at its edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import ttost_paired

from alpkd_pipeline.reporting.statistics.summary import TTest, borrowed_test

OURS, THEIRS = [0.84, 0.86, 0.83, 0.88], [0.82, 0.83, 0.82, 0.84]


def test_alone_it_is_the_paired_t():
    found, reference = borrowed_test(OURS, THEIRS), stats.ttest_rel(OURS, THEIRS)
    assert (found.t, found.df) == pytest.approx((reference.statistic, 3))
    assert found.different == pytest.approx(reference.pvalue, rel=1e-9)


@pytest.mark.parametrize("margin", [0.01, 0.03, 0.1])
def test_equality_is_two_one_sided_tests(margin):
    reference, _, _ = ttost_paired(np.array(OURS), np.array(THEIRS), -margin, margin)
    assert borrowed_test(OURS, THEIRS).equal(margin) == pytest.approx(reference, rel=1e-9)


def test_a_table_of_three_by_hand():
    # Differences 1, 3, 2: own = var / 2 = .5 with 2 degrees of freedom. The table less its means:
    # (-1/3, 2/3, -1/3), (0, 0, 0) + ... has the sum of squares below.
    candidate, reference, other = [1.0, 5.0, 6.0], [0.0, 2.0, 4.0], [1.0, 2.0, 3.0]
    table = np.array([candidate, reference, other])
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    beyond = ((rest**2).sum() - 2 * 0.5) / 2
    weight = min(1, beyond / 0.5) / (1 / 4 + 1 / 2)
    found = borrowed_test(candidate, reference, [other])
    assert found.mean == pytest.approx(2)
    assert found.df == pytest.approx(2 + weight)
    variance = (weight * beyond + 2 * 0.5) / (weight + 2)
    assert found.error == pytest.approx(math.sqrt(2 * variance / 3))


def test_a_noisier_pair_borrows_less():
    rng = np.random.default_rng(0)
    others = rng.normal(size=(4, 5)).tolist()
    quiet = borrowed_test(*rng.normal(size=(2, 5)).tolist(), others)
    noisy = borrowed_test(*(9 * rng.normal(size=(2, 5))).tolist(), others)
    assert 4 < noisy.df < quiet.df <= 8
    # What one method has more of noise, the others do not take away.
    assert noisy.error > 3 * quiet.error


def test_no_more_than_four_degrees_of_freedom_are_borrowed():
    rng = np.random.default_rng(1)
    found = borrowed_test(
        *rng.normal(size=(2, 4)).tolist(), (9 * rng.normal(size=(60, 4))).tolist()
    )
    assert 6.9 < found.df < 7


def test_no_variance_is_below_that_of_rounding_to_a_dev_row():
    found = borrowed_test([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], step=0.01)
    assert found.error == pytest.approx(math.sqrt(2 * 0.01**2 / 12 / 3))
    assert math.isfinite(found.t)


@pytest.mark.parametrize("n", [3, 5])
def test_one_difference_for_all_seeds_without_a_step_is_judged_by_the_signs(n):
    candidate, reference = [0.3, 0.7, 0.6, 0.1, 0.4][:n], [0.2, 0.6, 0.5, 0.0, 0.3][:n]
    found = borrowed_test(candidate, reference)
    assert (found.t, found.different) == (math.inf, 2.0 ** (1 - n))
    assert (found.equal(0.2), found.equal(0.05)) == (2.0**-n, 1)


def test_identical_scores_differ_by_nothing():
    found = borrowed_test(OURS, OURS)
    assert (found.mean, found.t, found.different, found.equal(0.01)) == (0, 0, 1, 2.0**-4)
    assert borrowed_test(OURS, OURS, step=0.001).different == 1


def test_the_other_way_round_changes_the_sign_alone():
    others = [[0.8, 0.9, 0.85, 0.8]]
    there, back = borrowed_test(OURS, THEIRS, others), borrowed_test(THEIRS, OURS, others)
    assert back == TTest(there.n, -there.mean, there.error, there.df)
    assert back.different == there.different
    assert back.equal(0.01) == there.equal(0.01)
