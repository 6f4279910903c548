"""What p values are called."""

from __future__ import annotations

import pytest

from alpkd_pipeline.reporting.statistics.words import (
    VERDICTS,
    Plan,
    kind_of,
    margin_text,
    verdict_text,
)


@pytest.mark.parametrize(
    ("gain", "different", "equal", "kind"),
    [
        (0.02, 0.01, 0.9, "better"),
        (-0.02, 0.01, None, "worse"),
        (0.002, 0.01, 0.01, "better within the margin"),
        (-0.002, 0.01, 0.01, "worse within the margin"),
        (0.001, 0.5, 0.01, "equal"),
        (0.01, 0.5, 0.5, "not distinguishable"),
        (0.01, 0.05, 0.05, "not distinguishable"),
        (0.01, None, None, "nothing can be said"),
    ],
)
def test_every_kind(gain, different, equal, kind):
    assert kind_of(gain, different, equal, 0.05) == kind
    assert kind in VERDICTS


def test_the_words_say_the_margin():
    assert verdict_text("equal", "1 point") == "equal within 1 point"
    assert (
        verdict_text("better within the margin", "2.5 points") == "better, by less than 2.5 points"
    )
    assert verdict_text("worse within the margin", "0.1") == "worse, by less than 0.1"
    assert verdict_text("worse", "1 point") == "worse"


def test_the_size_of_a_margin():
    assert [margin_text(m, 1) for m in (0.01, 0.025)] == ["1 point", "2.5 points"]
    assert margin_text(0.1, -1) == "0.1"


def test_margins_are_points_and_errors_have_none():
    plan = Plan(margin={"accuracy": 0.5, "rmse": 0.2})
    margins = [plan.margin_of(*m) for m in (("accuracy", 1), ("matthews", 1), ("f1", 1))]
    assert margins == pytest.approx([0.005, 0.025, 0.01])
    assert (plan.margin_of("rmse", -1), plan.margin_of("mae", -1)) == (0.2, None)


def test_first_questions_take_half_of_the_level():
    assert (Plan().level, Plan(primary=[("a", "b")]).level) == (0.05, 0.025)
