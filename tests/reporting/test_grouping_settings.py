"""Which runs may be compared: what is left out of a setting, and what is not."""

from __future__ import annotations

import pytest
from tests.reporting.experiment_frames import frame, run

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.grouping import add_settings, metadata_but_seed
from alpkd_pipeline.reporting.statistics.arms import SETTING_COLUMNS
from alpkd_pipeline.reporting.store import finished_runs
from alpkd_pipeline.store.layout import STUDENTS


def same(column, *runs):
    return frame(*runs)[column].nunique() == 1


def test_methods_share_a_setting_and_no_arm():
    pair = run("kd", 0.8, method__beta=0.2), run("no_kd", 0.7, method__beta=1.0)
    assert same("setting", *pair)
    assert not same("arm", *pair)


def test_options_of_a_method_make_arms_of_one_setting():
    pair = run("kd", 0.8, method__temperature=2), run("kd", 0.7, method__temperature=5)
    found = frame(*pair)
    assert found["setting"].nunique() == 1
    assert found["arm_differs"].tolist() == ["method.temperature=2", "method.temperature=5"]
    assert found["setting_differs"].tolist() == ["", ""]


@pytest.mark.parametrize(
    "fact",
    [
        {"training__epochs": 9},
        {"key__encoded": "other rows"},
        {"library__torch": "3.0"},
        {"student__init": "skip"},
        {"teacher__model": "bert"},
    ],
)
def test_what_both_must_share_parts_settings(fact):
    assert not same("setting", run("kd", 0.8), run("no_kd", 0.7, **fact))


def test_what_tells_settings_apart_is_said():
    found = frame(run("kd", 0.8), run("no_kd", 0.7, training__epochs=9))
    assert found["setting_differs"].tolist() == ["training.epochs=5", "training.epochs=9"]
    assert found["arm_differs"].tolist() == ["", ""]


def test_seeds_of_student_and_teacher_are_of_one_arm():
    assert same("arm", run("kd", 0.8, 0), run("kd", 0.7, 1), run("kd", 0.7, 1, teacher_seed=1))


def test_teachers_of_one_seed_that_are_not_the_same_are_kept_apart():
    found = frame(
        run("kd", 0.8, teacher="a"),
        run("no_kd", 0.8, teacher="a"),
        run("kd", 0.8, teacher="b"),
        run("kd", 0.8, teacher="b", teacher_seed=1),
    )
    assert found["setting"].nunique() == 3
    assert found["setting"][0] == found["setting"][1]


def test_a_run_that_may_not_be_pooled_stays_alone():
    # As `add_settings_of` marks one seed that stands twice.
    pair = run("kd", 0.8, key__student="a"), run("kd", 0.8, key__student="b")
    assert not same("arm", *pair)
    assert same("setting", *pair)


def test_a_searched_learning_rate_is_the_methods_own():
    tuned = run("kd", 0.8, training__lr=1, tuned=True), run("pkd", 0.8, training__lr=2, tuned=True)
    assert same("setting", *tuned)
    assert not same("setting", tuned[0], run("pkd", 0.8, training__lr=1))
    assert not same("setting", run("kd", 0.8, training__lr=1), run("pkd", 0.8, training__lr=2))


def test_two_searched_learning_rates_are_two_arms():
    found = frame(
        run("kd", 0.8, training__lr=1, tuned=True), run("kd", 0.8, training__lr=2, tuned=True)
    )
    assert found["arm_differs"].tolist() == ["training.lr=1", "training.lr=2"]


def test_real_records_of_two_methods_with_code_of_their_own_are_comparable(store):
    def no_kd(params, run):
        params["method"] = {"name": "no_kd", "beta": 1.0}
        run["identity"]["code"] = "d" * 64
        del run["identity"]["keys"]["signals"]

    store.teacher()
    store.student(0)
    store.student(0, change=no_kd)
    records = list(finished_runs(store.root, STUDENTS))
    rows = gather(store.root).runs.to_dict("records")
    by_key = {record.key: metadata_but_seed(record) for record in records}
    add_settings(rows, [by_key[row["key"]] for row in rows], [False] * len(rows))
    assert len({row["setting"] for row in rows}) == 1
    assert len({row["arm"] for row in rows}) == 2
    assert {row["teacher_key"] for row in rows} == {"a" * 64}
    assert set(SETTING_COLUMNS) <= set(rows[0])
