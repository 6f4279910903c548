"""Bold only where the best stands out against every other method."""

from __future__ import annotations

import pytest
from tests.reporting.experiment_frames import bests_of, frame, run, seeds

LOW, LOWER, HIGH = [0.70, 0.71, 0.72], [0.60, 0.611, 0.62], [0.801, 0.810, 0.822]


def the(experiments):
    (row,) = bests_of(experiments).to_dict("records")
    return row


def test_one_that_beats_all_others_is_bold():
    row = the(frame(seeds("no_kd", LOWER), seeds("kd", LOW), seeds("alp_kd", HIGH)))
    assert (row["label"], row["bold"], row["note"]) == ("alp_kd", True, "")
    assert row["mean"] == pytest.approx(0.811)


def test_one_that_cannot_be_told_from_a_single_other_is_not():
    row = the(frame(seeds("no_kd", LOWER), seeds("kd", [0.80, 0.81, 0.83]), seeds("ckd", HIGH)))
    assert not row["bold"]
    assert row["note"] == "not shown to be better than ckd"


def test_the_family_is_all_pairs_of_all_columns():
    # p of about .03: enough alone, not as one of three pairs.
    close = [0.7, 0.7, 0.7, 0.7], [0.72, 0.75, 0.71, 0.74]
    assert the(frame(seeds("kd", close[0]), seeds("ckd", close[1])))["bold"]
    both = frame(seeds("kd", close[0]), seeds("pkd", close[0]), seeds("ckd", close[1]))
    assert the(both)["note"] == "not shown to be better than kd, pkd"


@pytest.mark.parametrize(
    ("others", "note"),
    [
        ([], "nothing else"),
        (seeds("kd", LOW[:2]), "too few seeds, or no planned look, shared with kd"),
        (seeds("kd", LOW, training__epochs=9), "kd (training.epochs=9) was run in another setting"),
        (seeds("kd", [*HIGH, 0.1]), "not shown to be better than kd"),
    ],
)
def test_why_it_is_not_bold_is_said(others, note):
    row = the(frame(seeds("alp_kd", HIGH), others))
    assert not row["bold"]
    assert note in row["note"]


def test_each_column_has_its_own_best():
    experiments = frame(
        seeds("kd", LOW),
        seeds("alp_kd", HIGH),
        seeds("kd", HIGH, task="cola"),
        seeds("alp_kd", LOW, task="cola"),
        run("kd", 0.5, layers=2),
    )
    found = bests_of(experiments).set_index(["task", "layers"])
    assert found["label"].to_dict() == {("mrpc", 4): "alp_kd", ("cola", 4): "kd", ("mrpc", 2): "kd"}
    assert found["bold"].tolist() == [True, True, False]


def test_of_errors_the_smallest_is_the_best():
    column = {"no_kd": HIGH, "kd": LOW, "alp_kd": LOWER}
    for metric, label in (("rmse", "alp_kd"), ("mae", "alp_kd"), ("pearson", "no_kd")):
        row = the(frame(*(seeds(name, s, metric=metric) for name, s in column.items())))
        assert (row["label"], row["bold"], row["note"]) == (label, True, "")


def test_an_error_that_is_larger_on_shared_seeds_is_not_bold():
    candidate, reference = (
        seeds("alp_kd", LOW, metric="rmse"),
        seeds("kd", [*LOW, 0.99], metric="rmse"),
    )
    assert the(frame(candidate, reference))["note"] == "not shown to be better than kd"


def test_planned_looks_hold_for_the_best_too():
    # p of about .03: enough alone and at the last look, not with an early look's share.
    experiments = frame(seeds("kd", [0.7] * 4), seeds("ckd", [0.72, 0.75, 0.71, 0.74]))
    assert bests_of(experiments)["bold"].tolist() == [True]
    assert bests_of(experiments, looks=[4, 10])["note"].tolist() == [
        "not shown to be better than kd"
    ]
    (row,) = bests_of(experiments, looks=[5, 10]).to_dict("records")
    assert row["rivals"] == {"kd": "nothing can be said"}
