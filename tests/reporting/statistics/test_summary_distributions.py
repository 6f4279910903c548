"""Student's t against scipy."""

from __future__ import annotations

import math

import pytest
from scipy import special, stats

from alpkd_pipeline.reporting.statistics.summary import (
    incomplete_beta,
    t_quantile,
    t_tail,
)

FREEDOM = (1, 1.3, 2, 2.5, 3.9, 4, 9, 12.7, 50, 500, 1e5)


@pytest.mark.parametrize("df", FREEDOM)
@pytest.mark.parametrize("t", [0, 1e-6, 0.01, 0.3, 1, 2, 4.3, 9, 38, 500, 1e5])
def test_the_tail_is_scipys(df, t):
    assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=1e-10)
    assert t_tail(-t, df) == pytest.approx(stats.t.sf(-t, df), rel=1e-10)


@pytest.mark.parametrize("df", FREEDOM)
@pytest.mark.parametrize("upper", [0.4, 0.1, 0.025, 0.05 / 72, 1e-6])
def test_the_quantile_is_scipys(df, upper):
    assert t_quantile(upper, df) == pytest.approx(stats.t.isf(upper, df), rel=1e-10)


@pytest.mark.parametrize("a", [0.5, 1, 3.3, 80])
@pytest.mark.parametrize("b", [0.5, 2, 40])
@pytest.mark.parametrize("x", [0.0, 1e-9, 0.2, 0.5, 0.9, 1.0])
def test_the_beta_function_is_scipys(a, b, x):
    assert incomplete_beta(a, b, x, 1 - x) == pytest.approx(
        special.betainc(a, b, x), rel=1e-10, abs=1e-300
    )


@pytest.mark.parametrize("a", [0.5, 1.0, 2.1, 20.0])
def test_just_where_the_fraction_turns_round(a):
    # Rounding may put x and the rest both beyond the place where it does.
    x, rest = (math.nextafter((n + 1) / (a + 2.5), 1) for n in (a, 0.5))
    assert incomplete_beta(a, 0.5, x, rest) == pytest.approx(special.betainc(a, 0.5, x), rel=1e-10)


def test_nothing_lies_beyond_infinity():
    assert (t_tail(math.inf, 3), t_tail(-math.inf, 3)) == (0, 1)
