"""A teacher to its signals, a student and the student's dev scores."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.distill.nodes import distill_student, record_signals, score_student


def create_pipeline() -> Pipeline:
    """Signals, student, scores."""
    return Pipeline(
        [
            node(
                record_signals,
                inputs={"teacher": "teacher", "encoded": "encoded", "work": "signals_work"},
                outputs="signals",
                name="record_signals",
                tags="stage.signals",
            ),
            node(
                distill_student,
                inputs={
                    "encoded": "encoded",
                    "teacher": "teacher",
                    "signals": "signals",
                    "pretrained": "student_pretrained",
                    "checkpoint": "student_checkpoint",
                    "work": "student_work",
                },
                outputs="student",
                name="distill_student",
                tags=["stage.distill", "training"],
            ),
            node(
                score_student,
                inputs={"student": "student", "encoded": "encoded", "work": "student_scores_work"},
                outputs="student_scores",
                name="score_student",
                tags="stage.distill",
            ),
        ]
    )
