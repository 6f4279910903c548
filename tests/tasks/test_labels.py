from __future__ import annotations

import math
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import strategies as st
from tests.properties import EFFORTS, for_all

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.labels import (
    class_names,
    hidden_label,
    holds_several,
    is_hidden,
    is_missing,
    label_text,
    read_classes,
    read_numbers,
)
from alpkd_pipeline.tasks.task import Task


def ids(task: Task, *splits: str) -> tuple[str, list[int]]:
    """How labels, one word each, are read, and the ids of the last split's."""
    locations = {
        f"s{n}": {word: f"line {at}" for at, word in enumerate(split.split(), 2)}
        for n, split in enumerate(splits)
    }
    by, found = read_classes(locations, task)
    return by, [found[word] for word in splits[-1].split()]


def refusal(task: Task, *splits: str) -> str:
    with pytest.raises(UserError) as caught:
        ids(task, *splits)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("positive", "positive"),
        (" so so\t", "so so"),
        (1, "1"),
        ("1", "1"),
        (1.0, "1"),
        ("1.0", "1"),
        ("+1", "1"),
        (" 1.00 ", "1"),
        (Decimal("1.00"), "1"),
        (-1, "-1"),
        ("-1.0", "-1"),
        (0.5, "0.5"),
        ("0.50", "0.5"),
        ("-0", "0"),
        (-0.0, "0"),
        (10, "10"),
        ("100.0", "100"),
        (1e22, "1" + "0" * 22),
        (10**400, "1" + "0" * 400),
        ("01", "01"),
        ("1e0", "1e0"),
        ("1.", "1."),
        (".5", ".5"),
        ("1,0", "1,0"),
        ("1_0", "1_0"),
        ("\u0661", "\u0661"),
        (math.inf, "inf"),
        (True, "true"),
        ("TRUE", "true"),
        (False, "false"),
        (" False ", "false"),
        ("yes", "yes"),
        ("Yes", "Yes"),
        ("fal\u017fe", "fal\u017fe"),
        (date(2026, 1, 31), "2026-01-31"),
    ],
)
def test_one_form_for_all_types(raw: object, expected: str) -> None:
    assert label_text(raw) == expected
    assert label_text(expected) == expected


@pytest.mark.parametrize("raw", [None, "", "  ", math.nan, "\u200b", "\ufeff "])
def test_nothing_is_missing(raw: object) -> None:
    assert is_missing(raw)
    assert label_text(raw) is None


@pytest.mark.parametrize("examples", EFFORTS)
def test_numbers_are_one_value_exactly_when_they_are_equal(examples: int) -> None:
    numbers = st.integers(-3, 3) | st.floats(-4, 4).map(lambda x: round(x, 2)) | st.integers()

    def check(two: tuple[float, float]) -> None:
        one, other = two
        # The digits of a float are those that name it, not those of its binary value.
        equal = Fraction(repr(one)) == Fraction(repr(other))
        assert (label_text(one) == label_text(other)) == equal
        assert (label_text(str(one)) == label_text(other)) == equal or "e" in str(one)

    for_all(examples, st.tuples(numbers, numbers), check)


def test_by_name(mood: Task) -> None:
    assert ids(mood, "positive negative", "positive") == ("name", [1])


def test_by_id(mood: Task) -> None:
    assert ids(mood, "0 1", "1 0") == ("id", [1, 0])


def test_names_that_are_numbers_are_names(mood: Task) -> None:
    swapped = replace(mood, label_names=("1", "0.0"))
    assert ids(swapped, "1 0") == ("name", [0, 1])
    stars = replace(mood, label_names=("1", "2", "3", "4", "5"))
    assert ids(stars, "1 5", "3") == ("name", [2])


def test_names_of_digits_that_are_text_leave_ids_alone(mood: Task) -> None:
    padded = replace(mood, label_names=("01", "02"))
    assert ids(padded, "1 0") == ("id", [1, 0])
    assert ids(padded, "02 01") == ("name", [1, 0])


def test_truth_values_are_their_names(mood: Task) -> None:
    task = replace(mood, label_names=("True", "false"))
    assert ids(task, "true false") == ("name", [0, 1])


def test_no_label_at_all_is_no_refusal(mood: Task) -> None:
    assert read_classes({"train": {}}, mood)[0] == "name"


def test_names_in_one_split_and_ids_in_another(mood: Task) -> None:
    assert refusal(mood, "positive negative", "0 1") == (
        "task 'mood', labels: they are neither all class names (negative, positive) nor all ids"
        " (0 to 1): 0 (s1 line 2), 1 (s1 line 3); correct them, or task.labels; all splits are"
        " read alike"
    )


def test_stars_counted_from_0_in_one_split(mood: Task) -> None:
    stars = replace(mood, label_names=("1", "2", "3"))
    assert refusal(stars, "1 2 3", "0 1 2") == (
        "task 'mood', labels: not all of them are class names (1, 2, 3), and ids do not count where"
        " a name is a number: 0 (s1 line 2); correct them, or task.labels; all splits are read"
        " alike"
    )


def test_no_ids_where_a_name_is_a_number(mood: Task) -> None:
    """1 would be the second class by its id, and the first by its name."""
    for names in (("1", "2", "3"), ("none", "1.0", "many")):
        named = replace(mood, label_names=names)
        assert "ids do not count where a name is a number" in refusal(named, "0 1 2", "2 1")


def test_ids_counted_from_1(mood: Task) -> None:
    said = refusal(mood, "1 2", "2 1")
    assert "2 (s0 line 3, s1 line 2); write names, or ids counted from 0, in all splits" in said


@pytest.mark.parametrize("names", [("yes", "no"), ("0", "1")])
def test_truth_values_with_other_names(mood: Task, names: tuple[str, ...]) -> None:
    said = refusal(replace(mood, label_names=names), "true false")
    assert "'true' (s0 line 2), 'false' (s0 line 3); truth values need classes that are" in said


@pytest.mark.parametrize("label", ["NA", "null", "Positive", "2", "-2", "0.5", "01", "1e0", "+"])
def test_one_label_that_is_neither(mood: Task, label: str) -> None:
    assert f"{label}" in refusal(mood, "positive negative", label)
    assert f"{label}" in refusal(mood, "0 1", label)


def test_five_labels_are_quoted(mood: Task) -> None:
    said = refusal(mood, "a b c d e f g")
    assert said.count("(s0 line") == 5
    assert "'e' (s0 line 6) and 2 more; " in said


def test_a_label_that_is_not_utf8_is_shown_as_its_bytes(mood: Task) -> None:
    said = refusal(mood, "positive", b"gr\xfcn".decode("utf-8", "surrogateescape"))
    assert "b'gr\\xfcn' (s1 line 2); a label that is not UTF-8 is shown as the bytes" in said


def test_a_long_label_and_many_names_are_cut(mood: Task) -> None:
    many = replace(mood, label_names=tuple(f"class{n}" for n in range(150)))
    assert "class19, ... (150 in all)) nor all ids (0 to 149): 'xxx" in refusal(many, "x" * 9000)
    assert len(refusal(many, "x" * 9000, "9" * 9000)) < 700


def test_two_names_of_one_value() -> None:
    assert class_names(("a", "1.0", "TRUE")) == {"a": 0, "1": 1, "true": 2}
    with pytest.raises(UserError, match=r"'1' and '1\.0' are one value"):
        class_names(("0", "1", "1.0"))
    with pytest.raises(UserError, match="' ' is blank"):
        class_names(("a", " "))


@pytest.mark.parametrize("raw", ["negative|positive", "positive, negative", ["positive"], {"a": 1}])
def test_several_labels(mood: Task, raw: object) -> None:
    assert holds_several(raw, mood.label_names)


def test_separator_inside_a_name_is_no_list() -> None:
    assert not holds_several("a|b", ("a", "b", "a|b"))
    assert not holds_several("a|c", ("a", "b", "a|b"))
    assert not holds_several(b"a", ("a", "b"))


@pytest.mark.parametrize("label", ["high", "1,5", "true", "1_000", "nan"])
def test_numbers_and_what_is_none(likeness: Task, label: str) -> None:
    locations = {
        "train": {"3.8": "line 2", label: "line 3"},
        "dev": {"1e0": "line 2", "-1": "line 3"},
    }
    found = read_numbers(locations, likeness)
    assert found == {"3.8": 3.8, label: label, "1e0": 1.0, "-1": -1.0}
    assert {type(value) for value in found.values()} == {float, str}


def test_a_minus_one_of_a_test_split_may_be_hidden_or_not(likeness: Task) -> None:
    locations = {"test": {"3": "line 2", "-1": "line 7"}}
    with pytest.raises(UserError) as caught:
        read_numbers(locations, likeness)
    assert str(caught.value) == (
        "task 'likeness', labels: -1 (test line 7); -1 hides a label only where all of a test file"
        " are -1: leave hidden ones empty, or let task.label_range hold -1"
    )
    signed = replace(likeness, label_range=(-1.0, 5.0))
    assert read_numbers(locations, signed) == {"3": 3.0, "-1": -1.0}


def test_hidden_label_never_equals_a_real_one(mood: Task, likeness: Task) -> None:
    assert hidden_label(mood) == -1
    assert hidden_label(likeness) == -1.0
    assert hidden_label(replace(likeness, label_range=None)) == -1.0
    assert math.isnan(hidden_label(replace(likeness, label_range=(-1.0, 1.0))))


@pytest.mark.parametrize(
    ("labels", "label_range", "hidden"),
    [
        ([0.5, 4.0], (0.0, 5.0), [False, False]),
        ([0.5, -1.0], (0.0, 5.0), [False, True]),
        ([0.5, -1.0], (-2.0, 2.0), [False, False]),  # -1 is a real answer here
        ([0.5, math.nan], (-2.0, 2.0), [False, True]),
        ([math.nan, 0.5], (0.0, 5.0), [True, False]),
    ],
)
def test_hidden_labels_of_a_regression(
    labels: list[float], label_range: tuple[float, float], hidden: list[bool], likeness: Task
) -> None:
    task = replace(likeness, label_range=label_range)
    assert is_hidden(np.array(labels), task).tolist() == hidden


def test_hidden_labels_of_classes(mood: Task) -> None:
    assert is_hidden(np.array([0, -1, 1]), mood).tolist() == [False, True, False]
