"""What is said of methods: the rows, the family, the words."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tests.reporting.experiment_frames import frame, run, seeds, verdicts_of

from alpkd_pipeline.reporting.statistics.summary import borrowed_test
from alpkd_pipeline.reporting.statistics.verdict import COLUMNS, SEEN
from alpkd_pipeline.reporting.statistics.words import (
    BETTER,
    EQUAL,
    NOT_DISTINGUISHABLE,
    NOTHING,
    WORSE,
    step_down,
)

LOW, MIDDLE, HIGH = [0.70, 0.71, 0.72], [0.75, 0.80, 0.76], [0.801, 0.810, 0.822]


def held(found):
    return list(zip(found["label"], found["baseline_label"], strict=True))


@pytest.fixture(autouse=True)
def _no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# The rows ----------------------------------------------------------------------------------------


def test_each_pair_of_methods_is_tested_once():
    experiments = frame(*(seeds(name, HIGH) for name in ("alp_kd", "pkd", "no_kd", "kd", "ckd")))
    found = verdicts_of(experiments)
    assert set(found.columns) == {*COLUMNS, *SEEN}
    assert sorted(held(found)) == sorted(
        [(m, b) for m in ("alp_kd", "ckd") for b in ("no_kd", "kd", "pkd")]
        + [("pkd", "no_kd"), ("pkd", "kd"), ("kd", "no_kd")]
    )


def test_better_worse_and_neither():
    experiments = frame(
        seeds("no_kd", LOW), seeds("kd", HIGH), seeds("pkd", LOW), seeds("ckd", MIDDLE)
    )
    found = verdicts_of(experiments).set_index(["method", "baseline"])["verdict"]
    assert found["kd", "no_kd"] == BETTER
    assert found["pkd", "kd"] == WORSE
    assert found["pkd", "no_kd"] == NOT_DISTINGUISHABLE
    assert found["ckd", "kd"] == NOT_DISTINGUISHABLE


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_of_errors_less_is_better(metric):
    experiments = frame(
        *(seeds(m, s, metric=metric) for m, s in (("no_kd", HIGH), ("kd", LOW), ("pkd", HIGH)))
    )
    found = verdicts_of(experiments).set_index(["method", "baseline"])
    assert found["verdict"]["kd", "no_kd"] == BETTER
    assert found["verdict"]["pkd", "kd"] == WORSE
    assert found["verdict"]["pkd", "no_kd"] == NOT_DISTINGUISHABLE
    # The numbers are those of the errors themselves.
    assert found["difference"]["kd", "no_kd"] == pytest.approx(0.71 - 0.811)
    assert found["low"]["kd", "no_kd"] < found["high"]["kd", "no_kd"] < 0


def test_the_family_is_all_pairs_of_the_report():
    experiments = frame(
        *(seeds(m, s, task=t) for t in ("mrpc", "cola") for m, s in (("no_kd", LOW), ("kd", HIGH))),
        seeds("alp_kd", MIDDLE),
        seeds("alp_kd", MIDDLE, task="cola")[:2],
        seeds("no_kd", LOW, layers=2),
        seeds("kd", HIGH, layers=2),
    )
    found = verdicts_of(experiments)
    # Two tests of alp_kd on cola rest on two seeds: they are not made.
    assert found["family_size"].unique().tolist() == [5]
    tested = found[found["p"].notna()]
    scores = {"no_kd": LOW, "kd": HIGH, "alp_kd": MIDDLE}

    def test_of(row):
        pair = (row.method, row.baseline)
        others = (
            {"no_kd", "kd", "alp_kd"} - set(pair) if (row.task, row.layers) == ("mrpc", 4) else ()
        )
        return borrowed_test(*(scores[m] for m in pair), [scores[m] for m in others])

    tests = [test_of(row) for row in tested.itertuples()]
    assert tested["df"].tolist() == pytest.approx([test.df for test in tests])
    wanted = step_down([t.different for t in tests], [t.equal(0.01) for t in tests])
    assert tested["p_corrected"].tolist() == pytest.approx(wanted[0])
    assert tested["p_equal"].tolist() == pytest.approx(wanted[1])


def test_methods_within_the_margin_are_equal():
    near = [score + d for score, d in zip(MIDDLE, (0.0001, -0.0002, 0.0003), strict=True)]
    (row,) = verdicts_of(frame(seeds("no_kd", MIDDLE), seeds("kd", near))).to_dict("records")
    assert (row["kind"], row["verdict"]) == (EQUAL, "equal within 1 point")
    (row,) = verdicts_of(
        frame(seeds("no_kd", MIDDLE), seeds("kd", near)), margin={"accuracy": 0.01}
    ).to_dict("records")
    assert row["kind"] == NOT_DISTINGUISHABLE


def test_a_small_difference_that_is_sure_is_said_with_its_size():
    candidate = [score + d for score, d in zip(MIDDLE, (0.0040, 0.0041, 0.0042), strict=True)]
    for scores, word in (
        (candidate, "better"),
        ([2 * m - o for m, o in zip(MIDDLE, candidate, strict=True)], "worse"),
    ):
        (row,) = verdicts_of(frame(seeds("no_kd", MIDDLE), seeds("kd", scores))).to_dict("records")
        assert row["verdict"] == f"{word}, by less than 1 point"


def test_an_error_has_a_margin_only_if_it_is_given():
    near = [score + d for score, d in zip(MIDDLE, (0.0001, -0.0002, 0.0003), strict=True)]
    experiments = frame(seeds("no_kd", MIDDLE, metric="rmse"), seeds("kd", near, metric="rmse"))
    (row,) = verdicts_of(experiments).to_dict("records")
    assert (row["verdict"], np.isnan(row["margin"])) == (NOT_DISTINGUISHABLE, True)
    (row,) = verdicts_of(experiments, margin={"rmse": 0.01}).to_dict("records")
    assert row["verdict"] == "equal within 0.01"


def test_first_questions_leave_half_of_the_level():
    # p of about .03
    scores = [0.7, 0.7, 0.7, 0.7], [0.72, 0.75, 0.71, 0.74]
    experiments = frame(seeds("no_kd", scores[0]), seeds("kd", scores[1]))
    (row,) = verdicts_of(experiments).to_dict("records")
    assert 0.025 < row["p_corrected"] < 0.05
    assert row["verdict"] == BETTER
    (row,) = verdicts_of(experiments, primary=[("kd", "no_kd")]).to_dict("records")
    assert row["verdict"] == NOT_DISTINGUISHABLE


def test_a_planned_look_spends_its_share_and_another_one_nothing():
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    (whole,) = verdicts_of(experiments).to_dict("records")
    (early,) = verdicts_of(experiments, looks=[3, 5]).to_dict("records")
    assert early["p_corrected"] > whole["p_corrected"]
    (row,) = verdicts_of(experiments, looks=[5, 10]).to_dict("records")
    assert (row["verdict"], row["family_size"]) == (NOTHING, 0)
    assert row["note"] == "3 seeds are no planned look: these are at 5 and 10"


def test_fewer_than_three_seeds_say_nothing():
    (row,) = verdicts_of(frame(seeds("no_kd", LOW[:2]), seeds("kd", HIGH[:2]))).to_dict("records")
    assert row["verdict"] == NOTHING
    assert row["difference"] == pytest.approx(0.1005)
    assert row["note"] == "shared seeds: 2, needed: 3"
    assert np.isnan([row["p"], row["p_corrected"], row["effect"]]).all()


def test_seeds_that_are_not_shared_do_not_count():
    other = [run("kd", score, seed) for seed, score in zip((2, 3, 4), HIGH, strict=True)]
    (row,) = verdicts_of(frame(seeds("no_kd", LOW), other)).to_dict("records")
    assert (row["n"], row["verdict"]) == (1, NOTHING)


def test_identical_scores_are_not_distinguishable():
    (row,) = verdicts_of(frame(seeds("no_kd", LOW), seeds("kd", LOW))).to_dict("records")
    assert (row["difference"], row["p_corrected"], row["verdict"]) == (0, 1, NOT_DISTINGUISHABLE)


def test_one_difference_for_all_seeds_needs_six_of_them():
    for n, word in ((5, NOT_DISTINGUISHABLE), (6, BETTER)):
        scores = np.linspace(0.7, 0.8, n)
        (row,) = verdicts_of(frame(seeds("no_kd", scores), seeds("kd", scores + 0.01))).to_dict(
            "records"
        )
        assert row["verdict"] == word


def test_a_baseline_in_another_setting_is_not_taken():
    experiments = frame(seeds("no_kd", LOW, training__epochs=9), seeds("kd", HIGH))
    (row,) = verdicts_of(experiments).to_dict("records")
    assert (row["n"], row["verdict"], row["baseline_arm"]) == (0, NOTHING, "")
    assert row["note"] == "no comparable no_kd: here training.epochs=5, there training.epochs=9"
    assert row["family_size"] == 0


def test_of_several_baselines_the_fitting_one_is_taken():
    experiments = frame(
        seeds("no_kd", LOW, training__epochs=9), seeds("no_kd", LOW), seeds("kd", HIGH)
    )
    (row,) = verdicts_of(experiments).to_dict("records")
    assert row["baseline_label"] == "no_kd (training.epochs=5)"
    assert row["verdict"] == BETTER


def test_every_arm_of_a_baseline_in_the_setting_is_a_test():
    experiments = frame(
        seeds("kd", LOW, method__beta=1), seeds("kd", MIDDLE, method__beta=2), seeds("ckd", HIGH)
    )
    assert held(verdicts_of(experiments)) == [
        ("ckd", "kd (method.beta=1)"),
        ("ckd", "kd (method.beta=2)"),
    ]


def test_a_baseline_that_was_never_run_has_no_row():
    assert verdicts_of(frame(seeds("alp_kd", HIGH))).empty


@pytest.mark.parametrize(
    ("teacher_of", "spread", "note"),
    [
        (lambda seed: 0, "student seeds only", ""),
        (lambda seed: seed, "student and teacher seeds", ""),
        (lambda seed: seed // 2, "mixed", "some seeds share a teacher"),
    ],
)
def test_what_the_spread_is_made_of_is_said(teacher_of, spread, note):
    experiments = frame(
        *(
            run(name, score, seed, teacher_seed=teacher_of(seed))
            for name, scores in (("no_kd", LOW), ("kd", HIGH))
            for seed, score in enumerate(scores)
        )
    )
    (row,) = verdicts_of(experiments).to_dict("records")
    assert (row["n"], row["spread"], row["verdict"]) == (3, spread, BETTER)
    assert note in row["note"]
    assert bool(row["note"]) == bool(note)


def test_a_full_cross_of_seeds_counts_student_seeds():
    experiments = frame(
        *(
            run(name, score + teacher / 50, seed, teacher_seed=teacher)
            for name, scores in (("no_kd", LOW), ("kd", HIGH))
            for seed, score in enumerate(scores)
            for teacher in range(4)
        )
    )
    (row,) = verdicts_of(experiments).to_dict("records")
    alone = verdicts_of(frame(seeds("no_kd", LOW), seeds("kd", HIGH))).to_dict("records")[0]
    assert row["n"] == 3
    assert row["p"] == pytest.approx(alone["p"])
    assert row["note"] == "each seed is the mean over up to 4 teachers"
