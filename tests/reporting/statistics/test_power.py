"""What could have been seen, against statsmodels and against what was simulated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower
from tests.reporting.experiment_frames import frame, seeds, verdicts_of

from alpkd_pipeline.reporting.statistics.power import (
    detectable,
    sd_range,
    seeds_to_equal,
    seeds_to_see,
    upper_sd,
)
from alpkd_pipeline.reporting.statistics.words import planned_share


@pytest.mark.parametrize("n", [3, 4, 10, 30])
def test_alone_it_is_the_power_of_statsmodels(n):
    wanted = TTestPower().solve_power(nobs=n, alpha=0.05, power=0.8) * n**0.5
    assert detectable([n - 1], 0.05) == pytest.approx(wanted, rel=1e-4)


def test_at_a_familys_level_it_is_found_four_times_of_five():
    rng, shift = np.random.default_rng(0), float(detectable([2], 0.05 / 36)[0])
    d = rng.normal(size=(200_000, 3)) + shift / 3**0.5
    t = d.mean(1) / (d.std(1, ddof=1) / 3**0.5)
    found = 2 * stats.t.sf(abs(t), 2) < 0.05 / 36
    assert found.mean() == pytest.approx(0.8, abs=0.005)


def test_the_range_of_a_standard_deviation():
    assert sd_range([2])[0] == pytest.approx([0.5207, 6.2847], abs=1e-4)
    assert upper_sd(1.0, 10) == pytest.approx((10 / stats.chi2.ppf(0.2, 10)) ** 0.5)


@pytest.mark.parametrize(("tests", "wanted"), [(72, (24, 10, 26)), (1, (10, 5, 11))])
def test_how_many_seeds_a_family_needs(tests, wanted):
    level = 0.05 / tests
    found = (seeds_to_see(1, level), seeds_to_see(2, level), seeds_to_equal(1, level))
    assert found == wanted


def test_what_no_number_of_seeds_can_show_has_none():
    assert seeds_to_see(0.001, 0.05) is None


def test_every_row_says_what_it_could_have_seen():
    experiments = frame(
        seeds("no_kd", [0.7, 0.72, 0.71, 0.75]),
        seeds("kd", [0.7, 0.71, 0.73, 0.72]),
        seeds("pkd", [0.7, 0.71]),
    )
    found = verdicts_of(experiments).set_index(["method", "baseline"])
    tested, untested = found.loc[("kd", "no_kd")], found.loc[("pkd", "kd")]
    assert tested["detectable"] == pytest.approx(
        detectable([tested["df"]], 0.05)[0] * tested["error"]
    )
    # One test is its own family.
    assert tested["detectable_family"] == pytest.approx(tested["detectable"])
    three = verdicts_of(
        frame(*(seeds(m, [0.7 + i / 50, 0.72, 0.71]) for i, m in enumerate(("no_kd", "kd", "pkd"))))
    )
    assert three["detectable_family"].tolist() == pytest.approx(
        (detectable(three["df"], 0.05 / 3) * three["error"]).tolist()
    )
    assert tested["detectable_low"] < 1 < tested["detectable_high"]
    assert np.isnan(untested["detectable"])


def test_a_planned_look_sees_less_by_the_share_of_the_level_that_it_may_spend():
    experiments = frame(
        *(seeds(m, [0.7, 0.72, 0.71 + i / 50]) for i, m in enumerate(("no_kd", "kd")))
    )
    (whole,) = verdicts_of(experiments)["detectable_family"]
    planned = verdicts_of(experiments, looks=(3, 10)).iloc[0]
    share = planned_share((3, 10), 3)
    assert planned["detectable_family"] == pytest.approx(
        detectable([planned["df"]], 0.05 * share)[0] * planned["error"]
    )
    assert planned["detectable_family"] > 3 * whole
