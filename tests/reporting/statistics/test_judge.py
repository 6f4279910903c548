"""The test of two arms in their column, and what their answers add to it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.reporting.experiment_frames import frame, judge_of, run, seeds, verdicts_of

from alpkd_pipeline.reporting.statistics.arms import pair
from alpkd_pipeline.reporting.statistics.judge import (
    Contributions,
    LabelledPredictions,
    on_new_texts,
)
from alpkd_pipeline.reporting.statistics.summary import borrowed_test

LOW, MIDDLE, HIGH = [0.70, 0.71, 0.72], [0.75, 0.80, 0.76], [0.801, 0.810, 0.822]


def kd_against_no_kd(judge):
    (column,) = judge.task_depths.values()
    arms = {row["method"]: row for row in column}
    a, b = arms["kd"], arms["no_kd"]
    return judge.test(a, b, pair(a["units"], b["units"])), a, b


def test_all_methods_of_the_column_lend_their_noise():
    judge = judge_of(frame(seeds("no_kd", LOW), seeds("kd", HIGH), seeds("pkd", MIDDLE)))
    assert kd_against_no_kd(judge)[0] == borrowed_test(HIGH, LOW, [MIDDLE])


@pytest.mark.parametrize(
    "other",
    [
        seeds("pkd", MIDDLE[:2]),
        seeds("pkd", MIDDLE, layers=2),
        seeds("pkd", MIDDLE, training__epochs=9),
    ],
    ids=["lacks a seed", "another depth", "another setting"],
)
def test_others_do_not(other):
    judge = judge_of(frame(seeds("no_kd", LOW), seeds("kd", HIGH), other))
    there = next(rows for rows in judge.task_depths.values() if len(rows) > 1)
    a, b = (next(row for row in there if row["method"] == m) for m in ("kd", "no_kd"))
    assert judge.test(a, b, pair(a["units"], b["units"])) == borrowed_test(HIGH, LOW)


def test_a_dev_row_is_a_step_of_the_accuracy():
    rows = [run("kd", score, seed, rows=50) for seed, score in enumerate(LOW)]
    assert judge_of(frame(rows)).step(judge_of(frame(rows)).table[0]) == 1 / 50
    other = [run("kd", s, seed, rows=50, metric="matthews") for seed, s in enumerate(LOW)]
    assert judge_of(frame(other)).step(judge_of(frame(other)).table[0]) == 0


def answered(experiments, draw):
    labels = [0, 1] * 20
    return {key: LabelledPredictions(labels, draw(labels)) for key in experiments["key"]}


def right_with(rng, share):
    return lambda labels: [y if rng.uniform() < share else 1 - y for y in labels]


def test_predictions_add_the_noise_of_their_rows():
    rng = np.random.default_rng(0)
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    predictions = answered(experiments, right_with(rng, 0.8))
    judge = judge_of(experiments, predictions)
    test, candidate, reference = kd_against_no_kd(judge)
    values = [
        [
            [float(a == y) for y, a in zip(said.labels, said.predictions, strict=True)]
            for said in (predictions[key] for key in arm["runs"])
        ]
        for arm in (candidate, reference)
    ]
    found = judge.new_texts(test, candidate, reference)
    assert found.error == pytest.approx(on_new_texts(test, *map(Contributions.of, values)).error)
    assert found.error > test.error


def test_without_all_predictions_nothing_is_said_of_new_texts():
    rng = np.random.default_rng(0)
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    predictions = answered(experiments, right_with(rng, 0.8))
    (row,) = verdicts_of(experiments, predictions).to_dict("records")
    assert row["new_texts"]
    first = next(iter(predictions))
    for fewer in (
        {key: said for key, said in predictions.items() if key != first},
        predictions | {first: LabelledPredictions([1, 0] * 20, predictions[first].predictions)},
    ):
        (row,) = verdicts_of(experiments, fewer).to_dict("records")
        assert (row["new_texts"], np.isnan(row["p_new_texts"])) == ("", True)
        assert row["verdict"] == "better"


def test_runs_that_answer_one_class_are_counted_in_the_note():
    experiments = frame(seeds("no_kd", LOW), seeds("kd", HIGH))
    predictions = answered(experiments, lambda labels: [1] * len(labels))
    (row,) = verdicts_of(experiments, predictions).to_dict("records")
    assert "3 of 3 runs of kd collapsed: no t test is right for them" in row["note"]
    assert "3 of 3 runs of no_kd collapsed" in row["note"]


def test_a_seed_of_several_teachers_contributes_their_mean():
    rng = np.random.default_rng(0)
    experiments = frame(
        *(
            run(m, s + t / 50, seed, teacher_seed=t)
            for m, scores in (("no_kd", LOW), ("kd", HIGH))
            for seed, s in enumerate(scores)
            for t in range(2)
        )
    )
    predictions = answered(experiments, right_with(rng, 0.8))
    judge = judge_of(experiments, predictions)
    test, candidate, reference = kd_against_no_kd(judge)
    assert test.n == 3
    assert judge.new_texts(test, candidate, reference).error > 0
