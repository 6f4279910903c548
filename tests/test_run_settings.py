"""The blocks that a training reads."""

from __future__ import annotations

from typing import Any

import pytest
from tests.project.test_params import TRAINING

from alpkd_pipeline.run_settings import StudentSettings, TeacherSettings, TrainingSettings


def teacher(**given: Any) -> TeacherSettings:
    return TeacherSettings(model="demo", training=TrainingSettings(**TRAINING), **given)


@pytest.mark.parametrize(
    ("given", "table", "brought"),
    [
        ({}, False, False),
        ({"finetuned": True}, False, True),
        ({"source": "table"}, True, True),
    ],
)
def test_who_teaches(given: dict[str, Any], table: bool, brought: bool) -> None:
    assert (teacher(**given).is_table, teacher(**given).brought) == (table, brought)


def test_a_student_is_cut_from_the_first_layers_of_its_teacher() -> None:
    asked = StudentSettings(4)
    assert (asked.init, asked.init_from, asked.head) == ("first", "teacher", "teacher")
