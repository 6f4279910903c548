import logging

import pytest
from tests.reporting.studies import search, sweep

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.layout import (
    SWEEPS,
    chosen_sweep,
    experiment_keys,
    search_records,
    sweep_records,
)


@pytest.fixture
def root(tmp_path):
    sweep(tmp_path, "sweep-b", ["1"], started="2026-01-02")
    sweep(tmp_path, "sweep-a2", ["2", "3"], started="2026-01-03")
    sweep(tmp_path, "sweep-a1", ["4"], started="2026-01-01")
    return tmp_path


def test_the_oldest_comes_first(root):
    assert [record["id"] for record in sweep_records(root)] == ["sweep-a1", "sweep-b", "sweep-a2"]
    assert experiment_keys(sweep_records(root)) == {"1", "2", "3", "4"}


@pytest.mark.parametrize(
    ("asked", "name"), [("latest", "sweep-a2"), ("sweep-b", "sweep-b"), ("sweep-a1", "sweep-a1")]
)
def test_a_sweep_is_found(root, asked, name):
    assert chosen_sweep(sweep_records(root), asked)["id"] == name


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("sweep-a", "that fits sweep-a1, sweep-a2"),
        ("x", "no sweep is called so; there are sweep-a1"),
    ],
)
def test_a_sweep_that_is_not_one_is_refused_in_one_line(root, asked, words):
    with pytest.raises(UserError, match=f"compare.sweep' = '{asked}'.*{words}"):
        chosen_sweep(sweep_records(root), asked)


def test_without_sweeps_latest_is_refused(tmp_path):
    with pytest.raises(UserError, match="the store has no sweep yet"):
        chosen_sweep(sweep_records(tmp_path), "latest")


def test_an_id_that_begins_another_is_found(tmp_path):
    sweep(tmp_path, "s", ["1"])
    sweep(tmp_path, "s-2", ["2"])
    assert chosen_sweep(sweep_records(tmp_path), "s")["id"] == "s"


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"id": "x"}'])
def test_a_record_that_cannot_be_read_is_passed_over_with_a_warning(root, caplog, text):
    (root / SWEEPS / "bad.json").write_text(text)
    with caplog.at_level(logging.WARNING):
        assert len(sweep_records(root)) == 3
    assert "bad.json is left out" in caplog.text


def test_searches_are_read_likewise(root):
    search(root, "tune-1", {"training.lr": 0.1})
    (record,) = search_records(root)
    assert record["studies"][0]["method"] == "kd"
