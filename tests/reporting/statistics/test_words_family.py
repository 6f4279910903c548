"""Corrected p values: against statsmodels, by hand, and against what both nulls of a pair allow."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from alpkd_pipeline.reporting.statistics.words import planned_share, step_down


def holm(p):
    return step_down(p, [None] * len(p))[0]


def test_four_tests_by_hand():
    # 4 * .01, then max(.04, 3 * .02) = .06, 2 * .03 = .06, 1 * .5
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_without_margins_it_is_holms_method(size):
    p = (np.random.default_rng(size).uniform(0, 0.4, size) ** 2).tolist()
    p[-1] = p[0]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_both_questions_of_a_pair_count_once():
    different, equal = step_down([0.001, 0.9], [0.3, 0.01])
    # Both pairs are open for .001 and .01; .3 settles the first, so that .9 stands alone.
    assert different == pytest.approx([0.002, 0.9])
    assert equal == pytest.approx([0.6, 0.02])


def test_a_pair_that_is_settled_both_ways_leaves_the_family():
    different, equal = step_down([0.001, 0.04], [0.002, 0.9])
    assert (different[0], equal[0]) == pytest.approx((0.002, 0.004))
    assert different[1] == pytest.approx(0.04)  # nothing else is open
    # With a second question still open it is not.
    assert step_down([0.001, 0.04], [0.5, 0.9])[0][1] == pytest.approx(0.08)


def test_no_p_exceeds_one_and_no_tests_are_no_family():
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert step_down([], []) == ([], [])


def test_planned_looks_spend_the_level_as_o_brien_and_fleming_do():
    shares = [planned_share([3, 5, 10], n) for n in (3, 5, 10)]
    assert [round(0.05 * share, 4) for share in shares] == [0.0003, 0.0052, 0.0444]
    assert sum(shares) == pytest.approx(1)
    half = 2 * norm.sf(norm.isf(0.025) / 0.5**0.5)
    assert planned_share([5, 10], 5) == pytest.approx(half / 0.05)


def test_a_look_that_was_not_planned_has_no_share():
    assert planned_share([5, 10], 7) is None
    assert planned_share([], 7) == 1
