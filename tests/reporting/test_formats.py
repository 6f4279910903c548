import math

import pytest

from alpkd_pipeline.reporting.formats import millions, scale, scaled_text, score_text, seconds_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (4_321, "4,321"),
        (616_450, "0.62 M"),
        (22_713_216, "22.7 M"),
        (109_483_778, "109.5 M"),
        (None, "-"),
    ],
)
def test_millions(count, text):
    assert millions(count) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.84314, "0.8431"), (-0.05, "-0.0500"), (None, "-"), (math.nan, "-")]
)
def test_score_text(value, text):
    assert score_text(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(7.24, "7.2"), (412.4, "412"), (12_345.0, "12,345"), (None, "-")]
)
def test_seconds_text(value, text):
    assert seconds_text(value) == text


@pytest.mark.parametrize(
    ("value", "metric", "digits", "plus", "text"),
    [
        (0.8431, "accuracy", 1, "", "84.3"),
        (0.8431, "", 2, "", "84.31"),
        (0.0021, "pearson", 1, "+", "+0.2"),
        (0.63449, "rmse", 1, "", "0.634"),
        (0.63449, "mae", 2, "", "0.6345"),
        (-0.0021, "mae", 1, "+", "-0.002"),
    ],
)
def test_scores_are_percents_and_errors_are_not(value, metric, digits, plus, text):
    assert scaled_text(value, metric, digits, plus) == text
    assert scale(metric) == (1.0 if metric in ("rmse", "mae") else 100.0)
