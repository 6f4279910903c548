"""A teacher to its signals, a student and the student's dev scores."""

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.distill.nodes import distill_student, record_signals, score_student
from alpkd_pipeline.steps.step import step_node


def create_pipeline() -> Pipeline:
    """Signals, student, scores."""
    return Pipeline(
        [
            step_node(record_signals, "signals"),
            step_node(
                distill_student,
                "distill",
                model="student_pretrained",
                checkpoint="student_checkpoint",
            ),
            step_node(score_student, "distill", model="student"),
        ]
    )
