from __future__ import annotations

from alpkd_pipeline.project.parameters import merged, nested


def test_what_is_on_top_wins_and_the_rest_stays() -> None:
    below = {"a": {"b": 1, "c": 2}, "d": 3}
    assert merged(below, {"a": {"b": 9}, "d": {"e": 4}}) == {"a": {"b": 9, "c": 2}, "d": {"e": 4}}
    assert below == {"a": {"b": 1, "c": 2}, "d": 3}


def test_a_value_replaces_a_block_and_a_list_a_list() -> None:
    assert merged({"a": {"b": 1}, "l": [1, 2]}, {"a": None, "l": [3]}) == {"a": None, "l": [3]}


def test_dotted_names_become_blocks() -> None:
    flat = {"training.lr": 0.1, "training.epochs": 2, "seed": 3}
    assert nested(flat) == {"training": {"lr": 0.1, "epochs": 2}, "seed": 3}


def test_dotted_names_and_blocks_may_be_mixed() -> None:
    assert nested({"a": {"b": 1}, "a.c": 2}) == {"a": {"b": 1, "c": 2}}
