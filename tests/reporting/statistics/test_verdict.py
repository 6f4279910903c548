"""What is said of methods: the family, the words, and how often the words are wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from tests.reporting.cell_frames import frame, run, seeds, verdicts_of
from tests.reporting.statistics.simulated import METHODS, PAIRS, pairs, tables

from alpkd_pipeline.reporting.statistics.arms import holm
from alpkd_pipeline.reporting.statistics.paired import t_tests
from alpkd_pipeline.reporting.statistics.verdict import (
    BETTER,
    COLUMNS,
    NOT_DISTINGUISHABLE,
    NOTHING,
    WORSE,
    verdict_word,
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
    cells = frame(*(seeds(name, HIGH) for name in ("alp_kd", "pkd", "no_kd", "kd", "ckd")))
    found = verdicts_of(cells)
    assert found.columns.tolist() == list(COLUMNS)
    assert sorted(held(found)) == sorted(
        [(m, b) for m in ("alp_kd", "ckd") for b in ("no_kd", "kd", "pkd")]
        + [("pkd", "no_kd"), ("pkd", "kd"), ("kd", "no_kd")]
    )


def test_better_worse_and_neither():
    cells = frame(seeds("no_kd", LOW), seeds("kd", HIGH), seeds("pkd", LOW), seeds("ckd", MIDDLE))
    found = verdicts_of(cells).set_index(["method", "baseline"])["verdict"]
    assert found["kd", "no_kd"] == BETTER
    assert found["pkd", "kd"] == WORSE
    assert found["pkd", "no_kd"] == NOT_DISTINGUISHABLE
    assert found["ckd", "kd"] == NOT_DISTINGUISHABLE


@pytest.mark.parametrize("metric", ["rmse", "mae"])
def test_of_errors_less_is_better(metric):
    cells = frame(
        *(seeds(m, s, metric=metric) for m, s in (("no_kd", HIGH), ("kd", LOW), ("pkd", HIGH)))
    )
    found = verdicts_of(cells).set_index(["method", "baseline"])
    assert found["verdict"]["kd", "no_kd"] == BETTER
    assert found["verdict"]["pkd", "kd"] == WORSE
    assert found["verdict"]["pkd", "no_kd"] == NOT_DISTINGUISHABLE
    # The numbers are those of the errors themselves.
    assert found["difference"]["kd", "no_kd"] == pytest.approx(0.71 - 0.811)
    assert found["low"]["kd", "no_kd"] < found["high"]["kd", "no_kd"] < 0


def test_the_family_is_all_tests_of_a_depth():
    cells = frame(
        *(seeds(m, s, task=t) for t in ("mrpc", "cola") for m, s in (("no_kd", LOW), ("kd", HIGH))),
        seeds("alp_kd", MIDDLE),
        seeds("alp_kd", MIDDLE, task="cola")[:2],
        seeds("no_kd", LOW, layers=2),
        seeds("kd", HIGH, layers=2),
    )
    found = verdicts_of(cells)
    deep, shallow = found[found["layers"] == 4], found[found["layers"] == 2]
    # Two tests of alp_kd on cola rest on two seeds: they are not made.
    assert deep["family_size"].unique().tolist() == [4]
    assert shallow["family_size"].tolist() == [1]
    assert "Holm over 4 tests" in deep["family"].iloc[0]
    tested = deep[deep["p"].notna()]
    assert tested["p_holm"].tolist() == pytest.approx(holm(tested["p"]))
    assert shallow["p_holm"].tolist() == pytest.approx(shallow["p"].tolist())


def test_fewer_than_three_seeds_say_nothing():
    (row,) = verdicts_of(frame(seeds("no_kd", LOW[:2]), seeds("kd", HIGH[:2]))).to_dict("records")
    assert row["verdict"] == NOTHING
    assert row["difference"] == pytest.approx(0.1005)
    assert row["note"] == "shared seeds: 2, needed: 3"
    assert np.isnan([row["p"], row["p_holm"], row["effect"]]).all()


def test_seeds_that_are_not_shared_do_not_count():
    other = [run("kd", score, seed) for seed, score in zip((2, 3, 4), HIGH, strict=True)]
    (row,) = verdicts_of(frame(seeds("no_kd", LOW), other)).to_dict("records")
    assert (row["n"], row["verdict"]) == (1, NOTHING)


def test_identical_scores_are_not_distinguishable():
    (row,) = verdicts_of(frame(seeds("no_kd", LOW), seeds("kd", LOW))).to_dict("records")
    assert (row["difference"], row["p_holm"], row["verdict"]) == (0, 1, NOT_DISTINGUISHABLE)


def test_one_difference_for_all_seeds_needs_six_of_them():
    for n, word in ((5, NOT_DISTINGUISHABLE), (6, BETTER)):
        scores = np.linspace(0.7, 0.8, n)
        (row,) = verdicts_of(frame(seeds("no_kd", scores), seeds("kd", scores + 0.01))).to_dict(
            "records"
        )
        assert row["verdict"] == word
        assert "signs alone" in row["note"]


def test_a_baseline_in_another_setting_is_not_taken():
    cells = frame(seeds("no_kd", LOW, training__epochs=9), seeds("kd", HIGH))
    (row,) = verdicts_of(cells).to_dict("records")
    assert (row["n"], row["verdict"], row["baseline_arm"]) == (0, NOTHING, "")
    assert row["note"] == "no comparable no_kd: here training.epochs=5, there training.epochs=9"
    assert row["family_size"] == 0


def test_of_several_baselines_the_fitting_one_is_taken():
    cells = frame(seeds("no_kd", LOW, training__epochs=9), seeds("no_kd", LOW), seeds("kd", HIGH))
    (row,) = verdicts_of(cells).to_dict("records")
    assert row["baseline_label"] == "no_kd (training.epochs=5)"
    assert row["verdict"] == BETTER


def test_every_arm_of_a_baseline_in_the_setting_is_a_test():
    cells = frame(
        seeds("kd", LOW, method__beta=1), seeds("kd", MIDDLE, method__beta=2), seeds("ckd", HIGH)
    )
    assert held(verdicts_of(cells)) == [
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
    cells = frame(
        *(
            run(name, score, seed, teacher_seed=teacher_of(seed))
            for name, scores in (("no_kd", LOW), ("kd", HIGH))
            for seed, score in enumerate(scores)
        )
    )
    (row,) = verdicts_of(cells).to_dict("records")
    assert (row["n"], row["spread"], row["verdict"]) == (3, spread, BETTER)
    assert note in row["note"]
    assert bool(row["note"]) == bool(note)


def test_a_full_cross_of_seeds_counts_student_seeds():
    cells = frame(
        *(
            run(name, score + teacher / 50, seed, teacher_seed=teacher)
            for name, scores in (("no_kd", LOW), ("kd", HIGH))
            for seed, score in enumerate(scores)
            for teacher in range(4)
        )
    )
    (row,) = verdicts_of(cells).to_dict("records")
    alone = verdicts_of(frame(seeds("no_kd", LOW), seeds("kd", HIGH))).to_dict("records")[0]
    assert row["n"] == 3
    assert row["p"] == pytest.approx(alone["p"])
    assert row["note"] == "each seed is the mean over up to 4 teachers"


# How often the words are wrong -------------------------------------------------------------------


def words(scores):
    """Verdicts (tables, tests) of simulated tables, and the p that were not corrected."""
    ours, theirs = pairs(scores)
    _, p = t_tests(ours, theirs)
    corrected, mean = holm(p), (ours - theirs).mean(axis=-1)
    return np.vectorize(verdict_word)(mean, corrected), p


def test_the_simulation_says_what_the_report_says():
    (scores,) = tables(1, 5, effect=4)
    cells = frame(
        *(
            seeds(method, scores[task, place], task=f"task{task}")
            for task in range(2)
            for place, method in enumerate(METHODS)
        )
    )
    found = verdicts_of(cells).set_index(["task", "method", "baseline"])
    simulated, p = words(scores[None])
    tests = [(f"task{t}", METHODS[a], METHODS[b]) for t in range(2) for a, b in PAIRS]
    assert len(found) == len(tests) == 30
    assert found.loc[tests, "p"].tolist() == pytest.approx(p[0].tolist())
    assert found.loc[tests, "verdict"].tolist() == simulated[0].tolist()
    assert BETTER in simulated


@pytest.mark.parametrize("rows", [None, 408])
@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("count", [3, 5, 10])
def test_false_alarms_of_a_table_are_rare(count, shared, rows):
    """2,000 tables of 30 tests in which no method differs from any other."""
    said, p = words(tables(2000, count, shared=shared, rows=rows))
    assert (said != NOT_DISTINGUISHABLE).any(axis=1).mean() <= 0.06
    assert 0.02 <= (p < 0.05).mean() <= 0.07
    # Without correction most tables would raise a false alarm: the test above can fail.
    assert (p < 0.05).any(axis=1).mean() > 0.5


def test_equal_differences_of_coarse_scores_raise_no_false_alarms():
    """100 dev rows: that three seeds differ by the same number of them is common, and no proof."""
    scores = tables(2000, 3, shared=0.0, rows=100)
    ours, theirs = pairs(scores)
    steps = np.round((ours - theirs) * 100).astype(int)
    equal = (np.ptp(steps, axis=-1) == 0) & (steps[..., 0] != 0)
    assert equal.any(axis=1).mean() > 0.2  # each of these would have a p of 0
    said, _ = words(scores)
    assert (said != NOT_DISTINGUISHABLE).any(axis=1).mean() <= 0.06


def test_an_effect_of_two_standard_deviations_is_found_with_ten_seeds():
    said, _ = words(tables(1000, 10, effect=2))
    planted = [i for i, (ours, _) in enumerate(PAIRS * 2) if METHODS[ours] == "alp_kd"]
    assert (said[:, planted] == BETTER).mean() > 0.9
    assert not (said[:, planted] == WORSE).any()
    assert (np.delete(said, planted, axis=1) != NOT_DISTINGUISHABLE).any(axis=1).mean() <= 0.06
