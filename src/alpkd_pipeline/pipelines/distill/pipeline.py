"""A teacher to its signals, a student and the student's dev scores."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.distill.nodes import distill_student, record_signals, score_student


def create_pipeline() -> Pipeline:
    """Signals, student, scores."""
    return Pipeline(
        [
            node(
                record_signals,
                inputs={
                    "experiment": "experiment",
                    "teacher": "teacher",
                    "encoded": "encoded",
                    "pooling": "params:method.pooling",
                    "signals": "params:signals",
                },
                outputs="signals",
                name="record_signals",
                tags="stage.signals",
            ),
            node(
                distill_student,
                inputs={
                    "experiment": "experiment",
                    "encoded": "encoded",
                    "teacher": "teacher",
                    "signals": "signals",
                    "model": "student_pretrained",
                    "checkpoint": "student_checkpoint",
                    "student": "params:student",
                    "method": "params:method",
                    "training": "params:training",
                    "seed": "params:seed",
                },
                outputs="student",
                name="distill_student",
                tags="stage.distill",
            ),
            node(
                score_student,
                inputs={"experiment": "experiment", "model": "student", "encoded": "encoded"},
                outputs="student_scores",
                name="score_student",
                tags="stage.distill",
            ),
        ]
    )
