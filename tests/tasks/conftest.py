"""Small tasks."""

from __future__ import annotations

import pytest

from alpkd_pipeline.tasks.task import Task


@pytest.fixture
def mood() -> Task:
    return Task("mood", "classification", ("sentence",), ("negative", "positive"), ("accuracy",))


@pytest.fixture
def pair() -> Task:
    return Task("pair", "classification", ("first", "second"), ("no", "yes"), ("accuracy",))


@pytest.fixture
def likeness() -> Task:
    return Task(
        "likeness", "regression", ("first", "second"), (), ("pearson",), label_range=(0.0, 5.0)
    )
