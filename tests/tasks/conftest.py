"""Small tasks and the folder of real GLUE files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpkd_pipeline.tasks.task import Task


@pytest.fixture
def glue_dir() -> Path:
    folder = os.environ.get("ALPKD_GLUE_DIR")
    if not folder:
        pytest.skip("ALPKD_GLUE_DIR does not name a folder of GLUE files")
    return Path(folder)


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
