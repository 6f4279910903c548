"""Dotted names, and what differs."""

from __future__ import annotations

from alpkd_pipeline.store.diff import differences, flat


def test_nested_values_get_dotted_names() -> None:
    assert flat({"a": {"b": 1, "c": {"d": [2]}}, "e": None, "f": {}}) == {
        "a.b": 1,
        "a.c.d": [2],
        "e": None,
    }


def test_a_dictionary_may_be_one_value() -> None:
    values = {"task": {"columns": {"x": 1}, "name": "rte"}}
    assert flat(values, whole=["task.columns"]) == {"task.columns": {"x": 1}, "task.name": "rte"}


def test_what_differs_between_two_and_between_many() -> None:
    one, two = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 5}
    assert differences(one, two) == {"a.c": (2, 4), "d": (3, None), "e": (None, 5)}
    assert differences(one, one, one) == differences(one) == differences() == {}
    assert differences({"a": 1}, {"a": 1}, {"a": 2}) == {"a": (1, 1, 2)}
