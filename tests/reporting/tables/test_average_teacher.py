"""The teacher's row."""

from __future__ import annotations

import pytest
from tests.reporting.experiment_frames import frame, run, seeds

from alpkd_pipeline.reporting.tables.average import percent, teacher_lines, teacher_means


def test_one_teacher_of_many_students_is_one_score():
    cells = frame(seeds("kd", [0.8, 0.7], teacher_score=0.9), seeds("ckd", [0.6, 0.7]))
    (line,) = teacher_lines(cells)
    assert (line["label"], line["n"], line["mean"], line["std"]) == ("teacher", 1, 0.9, None)
    assert (line["kept"], line["compression"], line["speed_up"]) == (100, 1, None)
    assert line["runs"] == ["tmrpc0"]


def test_teachers_seeds_have_a_spread():
    runs = [run("kd", 0.8, s, teacher_seed=s, teacher_score=0.9 + s / 100) for s in range(3)]
    (line,) = teacher_lines(frame(runs))
    assert (line["n"], line["mean"]) == (3, pytest.approx(0.91))
    assert line["std"] == pytest.approx(0.01)


def test_several_models_say_which():
    runs = run("kd", 0.8), run("kd", 0.8, teacher="b", teacher_seed=1)
    cells = frame(*runs)
    cells["teacher"] = ["mrpc-teacher-demo-s0", "mrpc-teacher-bert-s1"]
    assert [line["label"] for line in teacher_lines(cells)] == ["teacher (demo)", "teacher (bert)"]


def test_two_teachers_of_one_seed_say_their_keys():
    cells = frame(run("kd", 0.8, teacher="aaaaaaaa"), run("ckd", 0.8, teacher="bbbbbbbb"))
    labels = [line["label"] for line in teacher_lines(cells)]
    assert labels == ["teacher (demo, aaaaaaaa)", "teacher (demo, bbbbbbbb)"]


def test_teachers_that_are_not_in_the_store_have_no_line():
    cells = frame(run("kd", 0.8, teacher_score=None))
    assert list(teacher_lines(cells)) == []
    assert teacher_means(cells) == {}


def test_each_teacher_counts_once_in_an_arms_mean():
    runs = [
        run("kd", 0.8, seed, teacher_seed=teacher, teacher_score=0.8 + teacher / 10)
        for seed, teacher in ((0, 0), (1, 0), (2, 1))
    ]
    assert list(teacher_means(frame(runs)).values()) == [pytest.approx(0.85)]


def test_percent_of_a_teacher_without_a_score_is_nothing():
    assert percent(0.45, 0.9) == 50
    assert percent(0.45, 0.9, "pearson") == 50
    assert percent(0.45, 0.9, "rmse") is percent(0.45, 0.9, "mae") is None
    assert percent(-0.01, 0.9) is percent(-0.4, 0.9, "matthews") is None
    assert percent(0.0, 0.9) == 0
    assert percent(0.4, None) is percent(0.4, 0.0) is percent(0.4, -0.1) is percent(None, 1) is None


def test_teachers_of_other_training_have_lines_of_their_own():
    cells = frame(
        run("kd", 0.8, 0, teacher="a", teacher_score=0.9, teacher_differs="teacher.epochs=3"),
        run("kd", 0.8, 1, teacher="b", teacher_score=0.7, teacher_differs="teacher.epochs=5"),
    )
    lines = {line["label"]: line["mean"] for line in teacher_lines(cells)}
    assert lines == {
        "teacher (demo, teacher.epochs=3)": 0.9,
        "teacher (demo, teacher.epochs=5)": 0.7,
    }


def test_a_teacher_without_a_seed_has_a_line():
    cells = frame(run("kd", 0.8, 0), run("kd", 0.8, 1))
    cells["teacher_seed"] = None
    (line,) = teacher_lines(cells.astype({"teacher_seed": "Int64"}))
    assert (line["n"], line["mean"]) == (1, 0.9)
