import math

import pytest

from alpkd_pipeline.reporting.tables import table


@pytest.mark.parametrize(
    ("value", "text"), [(0.84349, "84.3"), (-0.021, "−2.1"), (None, "–"), (math.nan, "–")]
)
def test_points(value, text):
    assert table.points(value) == text


def test_differences_carry_their_sign():
    assert [table.signed(v) for v in (0.012, -0.012, 0.0)] == ["+1.2", "−1.2", "+0.0"]
    assert table.interval(-0.01, 0.02) == "−1.0 to +2.0"
    assert table.interval(None, 0.02) == "–"


def test_one_seed_has_no_deviation():
    assert table.plus_minus(0.8, 0.01) == "80.0 ± 1.0"
    assert table.plus_minus(0.8, math.nan) == "80.0"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "< .001"), (0.04, ".040"), (0.0499, "< .050"), (0.05, ".050"), (1.0, "1.000")],
)
def test_p_values(p, text):
    assert table.p_text(p) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (600, "10 min"), (7200, "2.0 h"), (0.2, "0 s")]
)
def test_durations(seconds, text):
    assert table.duration(seconds) == text


@pytest.mark.parametrize(
    ("seeds", "text"), [([0], "0"), ([1, 0], "0, 1"), ([2, 0, 1, 7], "0–2, 7"), ([3, 3], "3")]
)
def test_seeds(seeds, text):
    assert table.seeds_text(seeds) == text


def test_lists():
    assert table.listed(["a", "b", "c"]) == "a, b and c"
    assert table.listed([]) == "–"


def test_anchors_hold_nothing_that_a_page_could_trip_over():
    assert table.anchor("arm", 'a b"<c>') == "arm-a_b_c_"


def test_depths():
    assert table.depth(3, 6) == "3 of 6 layers"
    assert table.depth(1) == "1 layer"


def test_errors_are_written_in_their_own_unit():
    assert table.points(0.6344, metric="rmse") == "0.634"
    assert table.points(0.6344, 2, "rmse") == "0.6344"
    assert table.signed(-0.0121, "mae") == "−0.012"
    assert table.plus_minus(0.6344, 0.0121, "rmse") == "0.634 ± 0.012"
    assert table.plus_minus(None, None, "rmse") == "–"
    assert table.interval(-0.01, 0.02, "rmse") == "−0.010 to +0.020"
