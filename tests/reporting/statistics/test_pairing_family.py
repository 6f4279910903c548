"""Holm's correction against statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from alpkd_pipeline.reporting.statistics.arms import holm


def test_four_tests_by_hand():
    # 4 * .01, then max(.04, 3 * .02) = .06, 2 * .03 = .06, 1 * .5
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_statsmodels_says_the_same(size):
    p = np.random.default_rng(size).uniform(0, 0.4, size) ** 2
    p[-1] = p[0]
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_families_side_by_side_do_not_touch():
    p = np.random.default_rng(0).uniform(size=(3, 5))
    assert holm(p) == pytest.approx(np.array([holm(row) for row in p]))


def test_no_p_exceeds_one_and_no_tests_are_no_family():
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]
    assert holm([]).size == 0


def test_a_test_that_was_not_made_is_refused():
    with pytest.raises(ValueError, match="leave it out"):
        holm([0.1, math.nan])
