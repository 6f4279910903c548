"""Encoded splits to a fine-tuned teacher and its dev scores."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.finetune_teacher.nodes import finetune_teacher, score_teacher


def create_pipeline() -> Pipeline:
    """Teacher, then its scores."""
    return Pipeline(
        [
            node(
                finetune_teacher,
                inputs={"encoded": "encoded", "pretrained": "pretrained", "work": "teacher_work"},
                outputs="teacher",
                name="finetune_teacher",
                tags=["stage.finetune_teacher", "training"],
            ),
            node(
                score_teacher,
                inputs={"teacher": "teacher", "encoded": "encoded", "work": "teacher_scores_work"},
                outputs="teacher_scores",
                name="score_teacher",
                tags="stage.finetune_teacher",
            ),
        ]
    )
