"""A method with all of its seeds."""

from __future__ import annotations

import pytest
from tests.reporting.experiment_frames import arms, frame, run, seeds


def test_an_arm_is_its_seeds():
    (row,) = arms(frame(seeds("kd", [0.80, 0.82, 0.84])))
    assert (row["task"], row["layers"], row["method"], row["label"]) == ("mrpc", 4, "kd", "kd")
    assert (row["n"], row["mean"], row["std"]) == (3, pytest.approx(0.82), pytest.approx(0.02))
    assert row["low"] < 0.82 < row["high"]
    assert row["seeds"] == [0, 1, 2]
    assert len(row["runs"]) == 3
    assert row["spread"] == "student seeds only"


def test_teachers_seeds_are_of_one_arm_and_averaged_in_each_seed():
    runs = [
        run("kd", 0.8 + seed / 100 + teacher / 10, seed, teacher_seed=teacher)
        for seed in range(3)
        for teacher in range(2)
    ]
    (row,) = arms(frame(runs))
    assert (row["n"], row["teachers"], len(row["runs"])) == (3, 2, 6)
    assert row["per_seed"] == pytest.approx({0: 0.85, 1: 0.86, 2: 0.87})
    assert row["std"] == pytest.approx(0.01)


def test_a_method_with_several_arms_says_which():
    runs = [run("kd", 0.8, method__beta=1), run("kd", 0.7, method__beta=2), run("pkd", 0.7)]
    labels = [arm["label"] for arm in arms(frame(runs))]
    assert labels == ["kd (method.beta=1)", "kd (method.beta=2)", "pkd"]


def test_methods_in_several_settings_say_which():
    runs = [run("kd", 0.8, training__epochs=10), run("alp_kd", 0.7, training__epochs=2)]
    assert [arm["label"] for arm in arms(frame(runs))] == [
        "kd (training.epochs=10)",
        "alp_kd (training.epochs=2)",
    ]


def test_runs_without_a_score_are_passed_over():
    (row,) = arms(frame(run("kd", 0.8, 0), run("kd", float("nan"), 1)))
    assert row["seeds"] == [0]


def test_no_runs_are_no_arms():
    empty = frame(run("kd", 0.8)).iloc[:0]
    assert arms(empty) == []


def test_a_frame_without_settings_is_refused():
    with pytest.raises(ValueError, match="no column setting, teacher_key"):
        arms(frame(run("kd", 0.8)).drop(columns=["setting", "teacher_key"]))


def test_one_seed_twice_is_refused():
    found = frame(run("kd", 0.8), run("kd", 0.9))
    with pytest.raises(ValueError, match="one seed stands twice"):
        arms(found)
