"""What is new in the table beside the rows that test_collect.py reads."""

import pytest
from tests.reporting.studies import search, study, sweep

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reporting.collect import Query, gather


def test_methods_of_one_setting_share_it_and_are_arms_of_their_own(store):
    study(store, tasks=["mrpc"], methods=["kd", "alp_kd"], seeds=2)
    frame = gather(store.root).runs
    assert frame["setting"].nunique() == 1
    assert frame.groupby("arm")["method"].unique().map(list).tolist() in (
        [["kd"], ["alp_kd"]],
        [["alp_kd"], ["kd"]],
    )


def test_a_trial_does_not_change_what_a_experiment_is_called(store):
    store.student(0)
    store.student(1, run_type="trial")
    experiments = gather(store.root).experiments
    assert experiments["arm_differs"].tolist() == [""]


def test_a_trial_that_a_sweep_lists_is_a_experiment(store):
    store.student(0, key="1" * 64)
    store.student(1, key="2" * 64, run_type="trial")
    store.student(2, key="3" * 64, run_type="trial")
    sweep(store.root, "grid", ["2" * 64])
    experiments = gather(store.root).experiments
    assert sorted(experiments["seed"]) == [0, 1]
    assert experiments["group"].nunique() == 1


def test_only_the_experiments_of_a_sweep_are_read(store):
    store.student(0, key="1" * 64)
    store.student(1, key="2" * 64)
    sweep(store.root, "grid", ["2" * 64, "9" * 64])
    evidence = gather(store.root, Query("latest"))
    assert evidence.experiments["seed"].tolist() == [1]
    assert evidence.sweep["id"] == "grid"
    with pytest.raises(UserError, match="no sweep is called so"):
        gather(store.root, Query("other"))


def test_only_some_coordinates_are_read(store):
    for seed in range(3):
        store.student(seed)
    evidence = gather(store.root, Query(only={"method": ["kd"], "seed": [0, 2]}))
    assert evidence.experiments["seed"].tolist() == [0, 2]
    with pytest.raises(UserError, match=r"no finished student is method=pkd"):
        gather(store.root, Query(only={"method": ["pkd"]}))


def test_a_searched_rate_keeps_methods_apart_only_where_rates_differ(store):
    def pkd(params, run):
        params["method"]["name"] = "pkd"

    def slower(params, run):
        params["method"]["name"], params["training"]["lr"] = "no_kd", 0.0002

    store.student(0)
    store.student(0, change=pkd)
    search(store.root, "tune-1", {"training.lr": 0.0004})
    assert gather(store.root).runs["setting"].nunique() == 1
    store.student(0, change=slower)
    found = gather(store.root).runs.groupby("method")["setting"].first()
    assert found["kd"] != found["pkd"]
