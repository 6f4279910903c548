"""From parameters to a task: known ones as they are, the user's own as they say."""

from __future__ import annotations

from typing import Any

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.project.experiment_inputs import KNOWN, define_task
from alpkd_pipeline.project.params import TaskParams
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources.demo import TASK as DEMO
from alpkd_pipeline.tasks.task import Task


def task_of(name: str, **given: Any) -> Task:
    return define_task(TaskParams(name=name, source="table", max_length=64, **given))


def refused(name: str, **given: Any) -> str:
    with pytest.raises(UserError) as caught:
        task_of(name, **given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_demo_and_the_nine_tasks_of_glue_are_known() -> None:
    assert set(KNOWN) == {"demo", *GLUE}
    assert len(GLUE) >= 9


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_known_task_is_taken_as_it_is(name: str) -> None:
    assert task_of(name) == KNOWN[name]


def test_a_known_task_may_be_scored_otherwise() -> None:
    task = task_of("demo", metrics=("f1", "accuracy"))
    assert task.primary_metric == "f1"
    assert task.label_names == DEMO.label_names
    assert KNOWN["demo"].metrics == DEMO.metrics


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"text_columns": ("a",)}, "task.text_columns"),
        ({"labels": ("a", "b")}, "task.labels"),
        ({"kind": "classification"}, "task.kind"),
        ({"label_range": (0.0, 1.0)}, "task.label_range"),
    ],
)
def test_a_known_task_is_not_redefined(given: dict[str, Any], parameter: str) -> None:
    line = refused("rte", **given)
    assert f"parameter '{parameter}': task 'rte' is already defined" in line
    assert "task.columns" in line


def test_a_classification_of_one_s_own() -> None:
    assert task_of("mood", text_columns=("text",), labels=("bad", "good")) == Task(
        name="mood",
        kind="classification",
        text_columns=("text",),
        label_names=("bad", "good"),
        metrics=("accuracy",),
    )


def test_a_regression_of_one_s_own() -> None:
    task = task_of("stars", text_columns=("a", "b"), kind="regression", label_range=(1.0, 5.0))
    assert (task.kind, task.metrics, task.label_range) == ("regression", ("pearson",), (1.0, 5.0))
    assert (task.label_names, task.num_labels) == ((), 1)


def test_metrics_of_one_s_own_task() -> None:
    given = {"text_columns": ("text",), "labels": ("a", "b", "c")}
    assert task_of("mood", **given, metrics=("f1_macro",)).metrics == ("f1_macro",)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "set task.text_columns and task.labels"),
        ({"labels": ("a", "b")}, "set task.text_columns"),
        ({"text_columns": ("t",)}, "needs task.labels"),
        ({"text_columns": ("t",), "kind": "classification"}, "at least two different classes"),
        ({"text_columns": ("t",), "labels": ("a",)}, "at least two different classes"),
        ({"text_columns": ("t",), "labels": ("a", "a")}, "at least two different classes"),
        ({"text_columns": ("t",), "labels": ("a", " ")}, "' ' is blank"),
        (
            {"text_columns": ("t",), "kind": "regression", "labels": ("a", "b")},
            "is a regression: leave task.labels out",
        ),
        (
            {"text_columns": ("t",), "labels": ("a", "b"), "label_range": (0.0, 1.0)},
            "is a classification: leave task.label_range out",
        ),
        ({"text_columns": ("t",), "labels": ("a", "b"), "metrics": ("bleu",)}, "bleu"),
        ({"text_columns": ("t",), "labels": ("a", "b"), "metrics": ("pearson",)}, "pearson"),
        ({"text_columns": ("t",), "kind": "regression", "metrics": ("accuracy",)}, "accuracy"),
        ({"text_columns": ("t",), "labels": ("a", "b", "c"), "metrics": ("f1",)}, "f1"),
    ],
)
def test_what_is_missing_or_contradicts_is_said(given: dict[str, Any], words: str) -> None:
    assert words in refused("mine", **given)


def test_a_misspelt_name_is_answered_with_the_known_ones() -> None:
    line = refused("mrpcc")
    assert "task 'mrpcc' is not one of demo, " in line
    assert "mrpc" in line.split("one of")[1]


@pytest.mark.parametrize(
    "names", [("a", "b", "a"), ("a", " a"), ("1", "2", "1.0"), ("0", "-0"), ("true", "TRUE")]
)
def test_two_names_of_one_value_are_refused(names: tuple[str, ...]) -> None:
    line = refused("mine", text_columns=("t",), labels=names)
    assert f"{names[0]!r} and {names[-1]!r} are one value" in line


def test_a_range_starts_with_its_lowest_label() -> None:
    assert "task.label_range" in refused(
        "mine", text_columns=("t",), kind="regression", label_range=(5.0, 0.0)
    )
