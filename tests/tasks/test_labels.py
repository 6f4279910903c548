import math
from dataclasses import replace

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import hidden_label, is_missing, read_label
from alpkd_pipeline.tasks.task import Task


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("positive", 1),
        (" negative ", 0),
        ("1", 1),
        (0, 0),
        (1.0, 1),
        (True, 1),
        ("-1", -1),
        (-1, -1),
    ],
)
def test_class_by_name_or_id(mood: Task, raw: object, expected: int) -> None:
    found = read_label(raw, mood, may_hide=False)
    assert found == expected
    assert type(found) is int


@pytest.mark.parametrize("raw", ["NA", "null", "None", "Positive", 2, "2", -2, 0.5, "0.5"])
def test_unknown_class_comes_back_as_it_was(mood: Task, raw: object) -> None:
    found = read_label(raw, mood, may_hide=True)
    assert found == raw
    assert type(found) is type(raw)


def test_names_that_are_numbers_win_over_ids(mood: Task) -> None:
    stars = replace(mood, label_names=("1", "2", "3"))
    assert [read_label(raw, stars, may_hide=False) for raw in ("1", 3, 2.0)] == [0, 2, 1]


@pytest.mark.parametrize("raw", [None, "", "  ", math.nan])
def test_missing_label_is_hidden_in_test_splits_only(mood: Task, raw: object) -> None:
    assert is_missing(raw)
    assert read_label(raw, mood, may_hide=True) == -1
    assert read_label(raw, mood, may_hide=False) is None


@pytest.mark.parametrize("raw", ["negative|positive", "positive, negative", ["positive"], {"a": 1}])
def test_several_labels_are_refused(mood: Task, raw: object) -> None:
    with pytest.raises(UserError, match=r"holds several values.*one label per row") as caught:
        read_label(raw, mood, may_hide=False)
    assert "\n" not in str(caught.value)


def test_separator_inside_a_name_is_no_list(mood: Task) -> None:
    task = replace(mood, label_names=("a", "b", "a|b"))
    assert read_label("a|b", task, may_hide=False) == 2
    assert read_label("a|c", task, may_hide=False) == "a|c"


@pytest.mark.parametrize(("raw", "expected"), [("3.8", 3.8), (2, 2.0), (-1, -1.0), ("1e0", 1.0)])
def test_numbers(likeness: Task, raw: object, expected: float) -> None:
    found = read_label(raw, likeness, may_hide=False)
    assert found == expected
    assert type(found) is float


def test_no_number_comes_back_as_it_was(likeness: Task) -> None:
    assert read_label("high", likeness, may_hide=False) == "high"


def test_hidden_label_never_equals_a_real_one(mood: Task, likeness: Task) -> None:
    assert hidden_label(mood) == -1
    assert hidden_label(likeness) == -1.0
    assert hidden_label(replace(likeness, label_range=None)) == -1.0
    assert math.isnan(hidden_label(replace(likeness, label_range=(-1.0, 1.0))))
