"""Teacher and student on every split, how fast they are, and how their layers lie."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from alpkd_pipeline.pipelines.evaluate.nodes import (
    compare_layers,
    evaluate_student,
    evaluate_teacher,
    time_student,
    time_teacher,
)


def create_pipeline() -> Pipeline:
    """Two nodes for each of the two models, and one for both."""
    timed = {"training": "params:training"}
    both = {"student": "student", "teacher": "teacher", "pooling": "params:method.pooling"}
    return Pipeline(
        [
            _node(evaluate_teacher, "teacher_evaluation", {"model": "teacher"}),
            _node(time_teacher, "teacher_latency", {"model": "teacher", **timed}),
            _node(evaluate_student, "student_evaluation", {"model": "student"}),
            _node(time_student, "student_latency", {"model": "student", **timed}),
            _node(compare_layers, "student_geometry", both),
        ]
    )


def _node(step: Callable[..., Any], result: str, inputs: dict[str, str]) -> Node:
    return node(
        step,
        inputs={"experiment": "experiment", "encoded": "encoded", **inputs},
        outputs=result,
        name=step.__name__,
        tags="stage.evaluate",
    )
