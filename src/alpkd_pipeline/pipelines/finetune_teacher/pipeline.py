"""Encoded splits to a fine-tuned teacher and its dev scores."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.finetune_teacher.nodes import finetune_teacher, score_teacher


def create_pipeline() -> Pipeline:
    """Teacher, then its scores."""
    return Pipeline(
        [
            node(
                finetune_teacher,
                inputs={
                    "experiment": "experiment",
                    "encoded": "encoded",
                    "model": "pretrained",
                    "teacher": "params:teacher",
                },
                outputs="teacher",
                name="finetune_teacher",
                tags="stage.finetune_teacher",
            ),
            node(
                score_teacher,
                inputs={"experiment": "experiment", "model": "teacher", "encoded": "encoded"},
                outputs="teacher_scores",
                name="score_teacher",
                tags="stage.finetune_teacher",
            ),
        ]
    )
