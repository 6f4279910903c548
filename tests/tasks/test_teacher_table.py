"""A table as teacher: its columns, its numbers, and the logits that they become."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.teacher_table import (
    LEAST,
    VALUE,
    as_number,
    columns_of,
    logits_file,
    logits_of,
    not_whole,
    read_logits,
    rules,
    teacher_names,
)


def frame(task: Task, form: str, rows: list[list[float]]) -> pd.DataFrame:
    """The columns, in another order than that of the labels."""
    names = list(teacher_names(task, form).values())
    return pd.DataFrame(rows, columns=names)[names[::-1]]


def test_the_columns_come_in_label_order(mood: Task, likeness: Task) -> None:
    names = teacher_names(mood, "logits")
    assert list(names) == ["negative", "positive"]
    assert columns_of(frame(mood, "logits", [[1.0, 2.0]]), mood) == list(names.values())
    assert teacher_names(likeness, "probabilities") == {"label": VALUE}
    assert columns_of(pd.DataFrame({"sentence": ["a"]}), mood) == []


def test_probabilities_become_logits_that_are_the_same_again(mood: Task) -> None:
    given = np.array([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]])
    logits = logits_of(frame(mood, "probabilities", given.tolist()), mood)
    assert logits is not None
    assert (logits.dtype, logits.shape) == (np.float32, (3, 2))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(softmax, given, atol=2 * LEAST)
    assert logits[1, 1] == np.float32(np.log(LEAST))


def test_logits_and_values_stay_as_they_are(mood: Task, likeness: Task) -> None:
    logits = logits_of(frame(mood, "logits", [[-3.5, 2.0]]), mood)
    assert logits is not None
    assert logits.tolist() == [[-3.5, 2.0]]
    values = logits_of(pd.DataFrame({VALUE: [4.5]}), likeness)
    assert values is not None
    assert values.tolist() == [[4.5]]
    assert logits_of(pd.DataFrame({"label": [1]}), mood) is None


@pytest.mark.parametrize(
    ("cell", "number"),
    [("0.25", 0.25), (" 1e-3 ", 1e-3), (1, 1.0), ("", None), (None, None), (True, True)],
)
def test_numbers_of_any_file(cell: object, number: object) -> None:
    found = as_number(cell)
    assert (type(found), found) == (type(number), number)
    assert as_number("many") == "many"


@pytest.mark.parametrize(
    ("form", "value", "wrong"),
    [
        ("probabilities", 1.5, "between 0 and 1"),
        ("probabilities", -0.1, "between 0 and 1"),
        ("probabilities", "much", "not a finite number"),
        ("logits", float("inf"), "not a finite number"),
        ("logits", True, "not a finite number"),
    ],
)
def test_values_that_cannot_be(mood: Task, form: str, value: object, wrong: str) -> None:
    name = teacher_names(mood, form)["positive"]
    broken = [rule for rule, holds in rules(name).items() if not holds(value)]
    assert len(broken) == 1
    assert wrong in broken[0]


def test_values_that_can(mood: Task) -> None:
    for form, values in (("probabilities", (0.0, 0.3, 1.0)), ("logits", (-40.0, 0.0, 7.5))):
        holds = rules(teacher_names(mood, form)["negative"]).values()
        assert all(rule(value) for rule in holds for value in values)


def test_probabilities_of_a_row_are_one_together(mood: Task) -> None:
    rows = [[0.3, 0.7], [0.3, 0.6], [0.333, 0.66], [1.5, -0.5]]
    # The third was rounded; the last breaks a rule of its own.
    assert not_whole(frame(mood, "probabilities", rows), mood)[1] == [False, True, False, False]
    assert not_whole(frame(mood, "logits", rows), mood)[1] == [False] * 4


def test_logits_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run data preparation again"):
        read_logits(tmp_path, "dev")
    np.save(tmp_path / logits_file("dev"), np.array([[1.0, 2.0]], np.float32))
    assert read_logits(tmp_path, "dev").tolist() == [[1.0, 2.0]]
