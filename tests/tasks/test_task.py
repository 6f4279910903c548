from __future__ import annotations

import json
from dataclasses import FrozenInstanceError

import pytest

from alpkd_pipeline.tasks.task import Task

MOOD = Task("mood", "classification", ("text",), ("bad", "good", "mixed"), ("f1_macro", "accuracy"))
STARS = Task("stars", "regression", ("a", "b"), (), ("pearson",), label_range=(0.0, 5.0))


@pytest.mark.parametrize("task", [MOOD, STARS])
def test_json_and_back(task: Task) -> None:
    assert Task.from_dict(json.loads(json.dumps(task.to_dict()))) == task
    assert Task.from_dict(task.to_dict()) == task


def test_outputs_of_the_classifier() -> None:
    assert (MOOD.num_labels, STARS.num_labels) == (3, 1)


def test_the_first_metric_decides() -> None:
    assert MOOD.primary_metric == "f1_macro"


def test_splits_have_usual_names() -> None:
    assert (MOOD.dev_splits, MOOD.test_splits) == (("dev",), ("test",))


def test_a_task_is_a_value() -> None:
    assert len({MOOD, Task.from_dict(MOOD.to_dict()), STARS}) == 2
    with pytest.raises(FrozenInstanceError):
        MOOD.name = "other"  # type: ignore[misc]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        Task.from_dict({**MOOD.to_dict(), "colour": "blue"})
