import math

import pytest

from alpkd_pipeline.reporting.numbers import millions, score_text, seconds_text


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
