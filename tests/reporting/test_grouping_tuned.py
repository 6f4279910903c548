import pytest
from tests.reporting.studies import search

from alpkd_pipeline.reporting.collect import gather
from alpkd_pipeline.reporting.grouping import findings
from alpkd_pipeline.store.layout import search_records


@pytest.mark.parametrize(
    ("values", "tuned"),
    [
        ({"training.lr": 0.0004}, "dev"),
        ({"training.lr": 4e-4, "method.temperature": 2}, "dev"),  # 2 and 2.0 are one value
        ({"training.lr": 0.0004, "method.temperature": 5.0}, ""),
        ({"training.lr": 0.1}, ""),
        ({"method.unknown": 1}, ""),
    ],
)
def test_a_student_with_all_best_values_of_a_study_is_tuned(store, values, tuned):
    store.student(0)
    search(store.root, "tune-1", values, selection="dev")
    assert gather(store.root).runs["tuned"].tolist() == [tuned]


def test_a_study_is_about_its_method_only(store):
    def other(params, run):
        params["method"]["name"] = "pkd"

    store.student(0, change=other)
    search(store.root, "tune-1", {"training.lr": 0.0004})
    assert gather(store.root).runs["tuned"].tolist() == [""]


def test_the_newest_search_comes_first(tmp_path):
    for name, selection in (("tune-1", "dev"), ("tune-2", "holdout")):
        search(tmp_path, name, {"training.lr": 0.1}, selection)
    found = findings(search_records(tmp_path))
    assert [best.search for best in found["mrpc", "kd", 4]] == ["tune-2", "tune-1"]


def test_a_study_with_nothing_to_choose_tunes_nobody(store):
    store.student(0)
    search(store.root, "tune-1", {})
    assert gather(store.root).runs["tuned"].tolist() == [""]


@pytest.mark.parametrize(
    ("name", "value", "own"), [("training.lr", 0.0004, True), ("method.temperature", 2.0, False)]
)
def test_a_rate_is_a_methods_own_choice_only_where_it_was_searched(store, name, value, own):
    def pkd(params, run):
        params["method"]["name"], params["training"]["lr"] = "pkd", 0.0002

    store.student(0)
    search(store.root, "tune-1", {name: value})
    alone = gather(store.root).runs["setting"][0]
    store.student(0, change=pkd)
    found = gather(store.root).runs.groupby("method")["setting"].first()
    assert (found["kd"] != alone) is own
