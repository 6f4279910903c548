import copy

import pytest

from alpkd_pipeline.reporting.grouping import (
    differences,
    flat,
    group_id,
    metadata_but_seed,
    teacher_metadata,
    tell_apart,
)
from alpkd_pipeline.reporting.store import finished_runs
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS


def group(store, **options):
    folder = store.student(**options)
    record = next(r for r in finished_runs(store.root, STUDENTS) if r.path == folder)
    return group_id(metadata_but_seed(record))


def test_seeds_share_a_group(store):
    assert group(store, seed=0) == group(store, seed=1)


def test_where_a_run_was_made_does_not_matter(store):
    def elsewhere(params, run):
        params["run"]["store"] = "/mnt/results"
        params["training"]["threads"] = 8
        params["teacher"]["training"]["device"] = "cpu"
        params["teacher"]["allow_constant"] = False

    assert group(store, seed=0) == group(store, seed=1, change=elsewhere)


def test_a_build_suffix_is_not_another_release(store):
    cuda = {"libraries": {"torch": "2.13.0+cu130", "transformers": "5.23.0"}}
    assert group(store, seed=0) == group(store, seed=1, environment=cuda)


def test_threads_and_processor_are_no_difference(store):
    elsewhere = {"device_name": "AMD EPYC", "threads": 8}
    assert group(store, seed=0) == group(store, seed=1, environment=elsewhere)


@pytest.mark.parametrize(
    "environment",
    [
        {"libraries": {"torch": "2.12.0", "transformers": "5.23.0"}},
        {"precision": "bf16"},
        {"device": "cuda:0"},
    ],
)
def test_what_computed_makes_another_group(store, environment):
    assert group(store, seed=0) != group(store, seed=1, environment=environment)


def test_a_second_gpu_is_no_difference(store):
    first, second = ({"device": f"cuda:{i}"} for i in range(2))
    assert group(store, seed=0, environment=first) == group(store, seed=1, environment=second)


def _method_option(params, run):
    params["method"]["temperature"] = 10.0


def _learning_rate(params, run):
    params["training"]["lr"] = 0.0002


def _data(params, run):
    run["identity"]["keys"]["encoded"] = "1" * 64


def _teacher(params, run):
    run["identity"]["keys"]["teacher"] = "2" * 64


def _code(params, run):
    run["identity"]["code"] = "3" * 64


@pytest.mark.parametrize("change", [_method_option, _learning_rate, _data, _teacher, _code])
def test_anything_else_makes_another_group(store, change):
    assert group(store, seed=0) != group(store, seed=1, change=change)


def test_generations_never_mix(store):
    assert group(store, seed=0) != group(store, seed=1, run_type="trial")


def test_without_a_hash_of_the_code_the_clean_commit_stands_for_the_code(store):
    def no_hash(params, run):
        del run["identity"]["code"]

    def other_commit(params, run):
        no_hash(params, run)
        run["provenance"]["git_commit"] = "0" * 40

    first = group(store, seed=0, change=no_hash)
    assert first == group(store, seed=1, change=no_hash)
    assert first != group(store, seed=2, change=other_commit)


def test_edited_code_without_a_hash_is_never_pooled(store):
    def edited(params, run):
        del run["identity"]["code"]
        run["provenance"]["git_dirty"] = True

    assert group(store, seed=0, change=edited) != group(store, seed=1, change=edited)


def test_flat_names():
    assert flat({"a": {"b": 1.0, "c": [1]}, "d": None}) == {"a.b": "1.0", "a.c": "[1]", "d": "null"}


def test_differences_name_what_was_set():
    base = flat({"training": {"lr": 0.0004}, "library": {"torch": "2.13.0"}, "key": {"x": "1"}})
    other = copy.copy(base) | {"training.lr": "0.0002", "key.x": "2"}
    assert differences({"g": base, "h": other}) == {
        "g": "training.lr=0.0004",
        "h": "training.lr=0.0002",
    }


def test_differences_fall_back_on_keys():
    found = differences({"g": {"key.encoded": f'"{"a" * 64}"'}, "h": {}})
    assert found == {"g": "key.encoded=aaaaaaaa", "h": "key.encoded=-"}


def test_a_lone_group_differs_in_nothing():
    assert differences({"g": {"training.lr": "1"}}) == {"g": ""}


def test_groups_that_only_keys_tell_apart_are_told_apart_whatever_else_differs():
    groups = {
        "g": {"training.lr": "1", "key.teacher": '"a"'},
        "h": {"training.lr": "1", "key.teacher": '"b"'},
        "i": {"training.lr": "2", "key.teacher": '"b"'},
    }
    assert differences(groups) == {
        "g": "training.lr=1, key.teacher=a",
        "h": "training.lr=1, key.teacher=b",
        "i": "training.lr=2",
    }


def test_rivals_are_of_one_place():
    metadata = [{"lr": "1"}, {"lr": "2"}, {"lr": "2"}]
    rows = [{"task": task} for task in "aab"]
    tell_apart(rows, metadata, ("id", "differs"), ["task"])
    assert [row["differs"] for row in rows] == ["lr=1", "lr=2", ""]
    assert rows[0]["id"] != rows[1]["id"] == rows[2]["id"]


def test_a_teacher_is_its_own_training_without_its_seed(store):
    store.teacher()
    (record,) = finished_runs(store.root, TEACHERS)
    found = teacher_metadata(record)
    assert found["teacher.training.epochs"] == "3"
    assert not {"teacher.seed", "method.name", "training.lr", "seed"} & set(found)
