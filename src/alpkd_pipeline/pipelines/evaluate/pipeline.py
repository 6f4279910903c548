"""Teacher and student on every split, how fast they are, and how their layers lie."""

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.evaluate.nodes import (
    compare_layers,
    evaluate_student,
    evaluate_teacher,
    time_student,
    time_teacher,
)
from alpkd_pipeline.steps.step import step_node


def create_pipeline() -> Pipeline:
    """Two nodes for each of the two models, and one for both."""
    return Pipeline(
        [
            step_node(evaluate_teacher, "evaluate", model="teacher"),
            step_node(time_teacher, "evaluate", model="teacher"),
            step_node(evaluate_student, "evaluate", model="student"),
            step_node(time_student, "evaluate", model="student"),
            step_node(compare_layers, "evaluate"),
        ]
    )
