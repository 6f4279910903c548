"""Means and ranks over tasks."""

from __future__ import annotations

import pytest

from alpkd_pipeline.reporting.tables.average import averages, mean_ranks, shared_tasks
from alpkd_pipeline.reporting.tables.measures import measures


def line(label, task, *scores, kind="student", teacher=0.9, metric="accuracy", first_seed=0):
    return {
        "label": label,
        "kind": kind,
        "method": label,
        "task": task,
        "metric": metric,
        "mean": sum(scores) / len(scores),
        "per_seed": dict(enumerate(scores, first_seed)),
        "teacher_mean": teacher,
        "runs": [f"{label} {task} {score}" for score in scores],
        **dict.fromkeys(measures(), None),
        "parameters": 100.0,
    }


TWO = [
    line("kd", "mrpc", 0.80, 0.82, teacher=1.0),
    line("kd", "cola", 0.40, 0.44, teacher=0.5, metric="matthews"),
    line("ckd", "mrpc", 0.90, 0.90, teacher=1.0),
    line("ckd", "cola", 0.30, 0.32, teacher=0.5, metric="matthews"),
]


def test_the_spread_is_that_of_the_seeds_own_averages():
    (found,) = averages(TWO)["kd"]
    # Seed 0: (.80 + .40) / 2 = .60; seed 1: (.82 + .44) / 2 = .63
    assert found["mean"] == pytest.approx(0.615)
    assert found["std"] == pytest.approx(0.03 / 2**0.5)
    assert (found["n"], found["tasks"]) == (2, 2)
    assert found["kept"] == pytest.approx(100 * 0.615 / 0.75)
    assert found["metric"] == "accuracy matthews"
    assert found["parameters"] == 100.0
    assert found["speed_up"] is None
    assert len(found["runs"]) == 4


def test_ranks_are_means_over_tasks():
    found = averages(TWO)
    assert found["kd"][0]["rank"] == found["ckd"][0]["rank"] == 1.5


def test_ties_share_their_places():
    ranks = mean_ranks({"a": [0.9, 0.5], "b": [0.9, 0.6], "c": [0.1, 0.4]})
    assert ranks == {"a": (1.5 + 2) / 2, "b": (1.5 + 1) / 2, "c": 3.0}


def test_only_tasks_that_every_student_has_are_averaged():
    more = [*TWO, line("kd", "rte", 0.1), line("t", "mrpc", 0.9, kind="teacher")]
    found = averages(more)
    assert found["kd"][0]["mean"] == pytest.approx(0.615)
    # A teacher is no student: what it lacks takes nothing from the others.
    assert "t" not in found


def test_a_teacher_has_an_average_and_no_rank():
    teacher = [line("t", task, 0.9, kind="teacher") for task in ("mrpc", "cola")]
    (found,) = averages([*teacher, *TWO])["t"]
    assert (found["mean"], found["rank"]) == (pytest.approx(0.9), None)
    assert averages([*teacher, *TWO])["ckd"][0]["rank"] == 1.5


def test_one_shared_task_is_no_average():
    assert averages(TWO[:3]) == {}
    assert averages([]) == {}


def test_tasks_with_different_seeds_have_a_mean_and_no_spread():
    other = [line("kd", "mrpc", 0.8, 0.9), line("kd", "cola", 0.4, 0.5, first_seed=1)]
    (found,) = averages(other)["kd"]
    assert found["mean"] == pytest.approx(0.65)
    assert (found["n"], found["std"], found["low"]) == (1, None, None)


def test_a_constant_answer_has_an_average_and_no_seeds():
    same = {"kind": "constant", "per_seed": {}, "runs": [], "teacher_mean": None}
    lines = [{**line("same", task, 0.5), **same} for task in ("mrpc", "cola")]
    (found,) = averages([*TWO, *lines])["same"]
    assert (found["mean"], found["n"], found["std"], found["rank"]) == (0.5, 0, None, None)


def test_without_a_teachers_score_nothing_is_kept():
    lines = [line("kd", "mrpc", 0.8, teacher=None), line("kd", "cola", 0.4)]
    assert averages(lines)["kd"][0]["kept"] is None


def test_of_an_average_with_a_collapsed_run_in_it_nothing_is_kept():
    lines = [{**one, "collapsed": int(one["label"] == "kd") * 2} for one in TWO]
    (kd,), (ckd,) = averages(lines)["kd"], averages(lines)["ckd"]
    assert (kd["collapsed"], kd["kept"]) == (4, None)
    assert (ckd["collapsed"], ckd["kept"]) == (0, pytest.approx(100 * 0.605 / 0.75))


def test_shared_tasks_keep_their_order():
    rows = {"a": {"rte": 1, "cola": 1, "mrpc": 1}, "b": {"mrpc": 1, "rte": 1}}
    assert shared_tasks(rows) == ["rte", "mrpc"]


def test_scores_that_differ_by_rounding_share_a_place():
    assert mean_ranks({"a": [0.1 + 0.2], "b": [0.3], "c": [0.5]}) == {"a": 2.5, "b": 2.5, "c": 1}


def test_errors_are_in_no_average_and_no_rank():
    errors = [line(name, "stsb", 12.5, metric="rmse") for name in ("kd", "ckd")]
    assert averages([*TWO, *errors]) == averages(TWO)
    assert averages([*TWO[0::2], *errors]) == {}
