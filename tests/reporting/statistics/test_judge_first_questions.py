"""Questions asked before looking: averages over depths and tasks, and what is left out of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.reporting.experiment_frames import frame, judge_of, seeds

from alpkd_pipeline.reporting.statistics.judge import (
    TaskAnswer,
    average_test,
    first_questions,
)
from alpkd_pipeline.reporting.statistics.words import step_down

NO, KD, ALP = [0.70, 0.72, 0.71], [0.73, 0.74, 0.75], [0.75, 0.75, 0.78]


def asked(*runs, primary=(("kd", "no_kd"),), **plan):
    return first_questions(judge_of(frame(*runs), primary=primary, **plan))


def both(scores=(NO, KD), **options):
    return [*seeds("no_kd", scores[0], **options), *seeds("kd", scores[1], **options)]


def test_one_task_of_one_depth_is_a_paired_t_in_margins():
    (row,) = asked(both())
    d = (np.array(KD) - NO) / 0.01
    error = d.std(ddof=1) / 3**0.5
    assert (row["tasks"], row["depths"], row["n"], row["note"]) == (["mrpc"], [4], 3, "")
    assert (row["mean"], row["df"]) == pytest.approx((d.mean(), 2))
    assert (row["high"] - row["low"]) / 2 == pytest.approx(4.302653 * error)


def test_tasks_and_depths_by_hand():
    # Differences in margins (1, 2, 3) and, averaged over two depths, (0, 2, 1): means 2 and 1.
    first = TaskAnswer([0.01, 0.02, 0.03], 0.01, 1, 0.0)
    second = TaskAnswer([0.0, 0.05, 0.025], 0.025, 2, 0.0)
    found = average_test([first, second])
    assert found.mean == pytest.approx(1.5)
    assert found.error == pytest.approx(math.sqrt(1 / 3 + 1 / 3) / 2)
    assert found.df == pytest.approx(4)  # two equal variances of 2 degrees of freedom each


def test_a_noisy_task_takes_degrees_of_freedom():
    quiet, noisy = [0.01, 0.011, 0.009], [0.1, -0.1, 0.05]
    found = average_test([TaskAnswer(d, 0.01, 1, 0.0) for d in (quiet, noisy)])
    assert 2 < found.df < 2.01


def test_no_variance_is_below_that_of_rounding():
    found = average_test([TaskAnswer([0.01] * 3, 0.01, 2, 0.004)])
    assert found.error == pytest.approx(math.sqrt(0.4**2 / 12 / 3))


def test_depths_are_averaged_seed_by_seed():
    deeper = [score + 0.02 for score in KD]
    (row,) = asked(both(), both((NO, deeper), layers=2))
    (alone,) = asked(both())
    assert row["mean"] == pytest.approx(alone["mean"] + 1)
    assert row["depths"] == [4, 2]


def test_questions_share_half_of_the_level():
    pairs = (("kd", "no_kd"), ("alp_kd", "kd"))
    rows = asked(both(), seeds("alp_kd", ALP), primary=pairs)
    wanted = step_down([row["p"] for row in rows], [1.0, 1.0])[0]
    assert [row["p_corrected"] for row in rows] == pytest.approx(wanted)
    near = [n + d for n, d in zip(NO, (0.0221, 0.0218, 0.0199), strict=True)]
    (row,) = asked(both((NO, near)))
    assert row["p_corrected"] < 0.025
    assert row["verdict"] == "better"
    (row,) = asked(both((near, NO)))
    assert row["verdict"] == "worse"


def test_a_p_between_the_half_and_the_whole_level_answers_nothing():
    (row,) = asked(both(([0.7, 0.7, 0.7, 0.7], [0.72, 0.75, 0.71, 0.74])))
    assert 0.025 < row["p_corrected"] < 0.05
    assert row["verdict"] == "not distinguishable"


def test_what_is_equal_on_average_is_said_to_be():
    near = [n + d for n, d in zip(NO, (0.0002, -0.0003, 0.0001), strict=True)]
    (row,) = asked(both((NO, near)))
    assert row["verdict"] == "equal within the margin"


def test_of_errors_less_is_a_gain():
    (row,) = asked(both((KD, NO), metric="rmse"), margin={"rmse": 0.01})
    assert row["mean"] > 0
    assert asked(both((KD, NO), metric="rmse"))[0]["note"] == "mrpc: no margin for rmse"


@pytest.mark.parametrize(
    ("runs", "note"),
    [
        (seeds("kd", KD), "kd and no_kd were run together nowhere"),
        (
            [*seeds("kd", KD), *seeds("no_kd", NO, training__epochs=9)],
            "share no setting or no seed",
        ),
        (
            [*both(), *seeds("kd", ALP, method__beta=0.9)],
            "mrpc, 4 layers: the two were run several times",
        ),
        (both((NO[:2], KD[:2])), "mrpc: 2 shared seeds, needed: 3"),
    ],
)
def test_what_cannot_be_answered_says_why(runs, note):
    (row,) = asked(runs)
    assert (row["verdict"], row["mean"], row["p_corrected"]) == ("nothing can be said", None, None)
    assert note in row["note"]


def test_a_task_that_is_left_out_is_named_beside_the_others():
    (row,) = asked(both(), both((NO[:2], KD[:2]), task="cola"))
    assert (row["tasks"], row["note"]) == (["mrpc"], "cola: 2 shared seeds, needed: 3")


def test_a_look_that_was_not_planned_answers_nothing():
    (row,) = asked(both(), looks=(5, 10))
    assert (row["verdict"], row["note"]) == ("nothing can be said", "3 seeds are no planned look")
