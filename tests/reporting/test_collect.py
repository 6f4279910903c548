import logging
import shutil
import time

import pandas as pd
import pytest
from tests.reporting.studies import reseal

from alpkd_pipeline.coordinates import parse_only
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.collect import Query, gather
from alpkd_pipeline.reporting.frame import AFTER_MEASURES, AFTER_SCORES, BEFORE_SCORES
from alpkd_pipeline.reporting.tables.cost import total_cost
from alpkd_pipeline.reporting.tables.measures import run_measures
from alpkd_pipeline.store.manifest import read_json, seal, write_json


def test_a_row_tells_all_about_a_student(store):
    store.teacher(accuracy=0.9, p50_ms=12.0)
    folder = store.student(seed=3, accuracy=0.8, f1=0.85, p50_ms=4.0)
    row = gather(store.root).runs.iloc[0].to_dict()
    assert [len(row.pop(name)) for name in ("group", "setting", "arm")] == [12, 12, 12]
    for name in run_measures().keys() - {"seconds"}:
        del row[name]
    assert row == {
        "task": "mrpc",
        "method": "kd",
        "layers": 4,
        "teacher_layers": 12,
        "seed": 3,
        "teacher_seed": 0,
        "metric": "accuracy",
        "score": 0.8,
        "dev.accuracy": 0.8,
        "dev.f1": 0.85,
        "teacher": "mrpc-teacher-demo-s0",
        "teacher_differs": "",
        "teacher_score": 0.9,
        "rows": None,
        "parameters": 410_000,
        "teacher_parameters": 600_000,
        "seconds": 7.0,
        "latency_ms": 4.0,
        "speed_up": 3.0,
        "latency_shared": False,
        "timed_on": row["timed_on"],
        "selection": "dev",
        "tuned": "",
        "generation": "cell",
        "differs": "",
        "setting_differs": "",
        "arm_differs": "",
        "teacher_key": "a" * 64,
        "key": f"{1:064x}",
        "name": "mrpc-12to4-kd-s3",
        "path": f"06_models/students/mrpc/{folder.name}",
    }


def test_metrics_of_a_user_s_own_are_columns_like_others(store, caplog):
    for seed, value in enumerate((0.25, 0.5)):
        store.evaluation(store.student(seed), "1" * 64, mine=value)
    store.student(2)
    frame = gather(store.root).runs
    assert list(frame.columns[len(BEFORE_SCORES) :][:4]) == [
        "score", "dev.accuracy", "dev.f1", "dev.mine"
    ]  # fmt: skip
    assert frame["dev.mine"].tolist()[:2] == [0.25, 0.5]
    assert pd.isna(frame["dev.mine"][2])
    # Only evaluations have them, so a run is of its group whether it was evaluated or not.
    assert frame["group"].nunique() == frame["arm"].nunique() == 1
    assert not caplog.records


def test_numbers_of_two_versions_of_a_metric_have_no_common_column(store, caplog):
    for seed, (digest, value) in enumerate((("1" * 64, 0.25), ("2" * 64, 5.0), ("2" * 64, 6.0))):
        scores = {"mine.a": value, "mine.b": -value, "same": 1.0}
        folder = store.evaluation(store.student(seed), digest, **scores)
        found = read_json(folder / "scores.json")
        found["metrics"]["same"] = "3" * 64
        write_json(folder / "scores.json", found)
        reseal(folder)
    frame = gather(store.root).runs
    assert frame["dev.mine@11111111.a"].dropna().tolist() == [0.25]
    assert frame["dev.mine@22222222.a"].dropna().tolist() == [5.0, 6.0]
    assert frame["dev.mine@22222222.b"].dropna().tolist() == [-5.0, -6.0]
    assert frame["dev.same"].tolist() == [1.0, 1.0, 1.0]
    assert not {"dev.mine.a", "dev.mine.b"} & set(frame.columns)
    assert not caplog.records  # the table says it


def test_an_empty_store_gives_an_empty_frame_with_columns(tmp_path):
    frame = gather(tmp_path).runs
    assert list(frame.columns) == [
        *BEFORE_SCORES,
        "score",
        *AFTER_SCORES,
        *run_measures(),
        *AFTER_MEASURES,
    ]
    assert frame.empty


def test_a_teacher_that_is_gone_leaves_its_model_name(store):
    store.student()
    row = gather(store.root).runs.iloc[0]
    assert row["teacher"] == "demo"
    assert pd.isna(row["teacher_score"])
    assert pd.isna(row["teacher_parameters"])


def test_speeds_of_different_machines_are_not_compared(store):
    teacher = store.teacher()
    store.latency(teacher, 12.0, threads=8)
    store.student(p50_ms=4.0)
    row = gather(store.root).runs.iloc[0]
    assert row["latency_ms"] == 4.0
    assert pd.isna(row["speed_up"])


def unscored(folder):
    """As a trial is that was chosen on held-out rows."""
    metrics = read_json(folder / "metrics.json")
    write_json(folder / "metrics.json", metrics | {"scores": {"holdout": {"accuracy": 0.9}}})
    seal(folder, {})


def test_trials_without_dev_scores_are_counted_and_paid_for_but_not_asked_for(store, caplog):
    store.student(0)
    unscored(store.student(1, run_type="trial"))
    with caplog.at_level(logging.WARNING):
        evidence = gather(store.root)
    assert caplog.text == ""
    assert evidence.left_out == {"trial": 1}
    assert len(evidence.runs) == 1
    assert sum(map(len, total_cost(evidence).seconds.values())) == 2


def test_a_copied_folder_counts_once(store, caplog):
    folder = store.student(0)
    shutil.copytree(folder, folder.with_name(f"{folder.name}-copy"))
    with caplog.at_level(logging.WARNING):
        evidence = gather(store.root)
    assert evidence.runs["name"].tolist() == ["mrpc-12to4-kd-s0"]
    assert caplog.text == ""


def test_students_without_dev_scores_are_counted_in_the_log(store, caplog):
    store.student(0)
    unscored(store.student(1))
    unscored(store.student(2, run_type="trial"))
    with caplog.at_level(logging.WARNING):
        assert gather(store.root).runs["seed"].tolist() == [0]
    assert "1 finished students have no dev scores" in caplog.text


def test_a_value_of_only_that_no_student_has_yet_is_told(store, caplog):
    store.student(0)
    assert len(gather(store.root, Query(only=parse_only("method=kd|pkd,seed=0"))).runs) == 1
    assert [record.message for record in caplog.records] == [
        "parameter 'compare.only': no finished student is method=pkd; did you mean 'kd'?;"
        " there are: kd"
    ]


@pytest.mark.parametrize(
    ("only", "told"),
    [
        ("method=alp_kd|ckd,seed=0", "method=alp_kd; there are: kd, no_kd"),
        ("seed=7", "seed=7; there are: 0, 1"),
        (
            "method=kd,layers=2",
            "method=kd, layers=2; there is method=kd, layers=4 or method=no_kd, layers=2",
        ),
    ],
)
def test_where_only_means_no_student_the_value_is_named(store, only, told):
    def other(params, _run):
        params |= {"method": {"name": "no_kd"}, "student": {"layers": 2}}

    store.student(0)
    store.student(1, change=other)
    with pytest.raises(UserError) as error:
        gather(store.root, Query(only=parse_only(only)))
    assert str(error.value) == f"parameter 'compare.only': no finished student is {told}"


def test_groups_that_look_alike_say_what_differs(store):
    def slower(params, run):
        params["training"]["lr"] = 0.0002

    store.student(0)
    store.student(1)
    store.student(0, change=slower)
    frame = gather(store.root).runs.set_index("key")
    assert frame["group"].nunique() == 2
    assert frame.loc[f"{1:064x}", "differs"] == "training.lr=0.0004"
    assert frame.loc[f"{3:064x}", "differs"] == "training.lr=0.0002"


def test_a_seed_that_occurs_twice_shows_an_unrecorded_difference(store):
    for seed in (0, 1, 1):
        store.student(seed)
    assert gather(store.root).runs["group"].nunique() == 3


def test_the_same_seed_as_a_rerun_leaves_the_experiments_alone(store):
    store.student(0)
    store.student(1)
    store.student(1, run_type="rerun")
    experiments = gather(store.root).runs.query("generation == 'cell'")
    assert experiments["group"].nunique() == 1


def test_order_is_depth_then_method_then_seed(store):
    def shallow(params, run):
        params["student"]["layers"] = 2

    def alp(params, run):
        params["method"]["name"] = "alp_kd"

    store.student(1)
    store.student(0, change=shallow)
    store.student(0)
    store.student(0, change=alp)
    frame = gather(store.root).runs
    found = list(zip(frame["layers"], frame["method"], frame["seed"], strict=True))
    assert found == [(4, "alp_kd", 0), (4, "kd", 0), (4, "kd", 1), (2, "kd", 0)]


def test_the_latency_that_can_be_compared_is_taken(store):
    teacher = store.teacher()
    store.latency(teacher, 12.0, threads=8)
    folder = store.student()
    store.latency(folder, 2.0, threads=8)
    store.latency(folder, 4.0, threads=1)
    row = gather(store.root).runs.iloc[0]
    assert (row["latency_ms"], row["speed_up"]) == (2.0, 6.0)


@pytest.mark.slow
def test_a_thousand_runs_take_seconds(store):
    store.teacher()
    for seed in range(1000):
        store.student(seed, key=f"{seed:064x}")
    started = time.perf_counter()
    assert len(gather(store.root).runs) == 1000
    assert time.perf_counter() - started < 20
