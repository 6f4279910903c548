"""Encoded splits to a fine-tuned teacher and its dev scores."""

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.finetune_teacher.nodes import finetune_teacher, score_teacher
from alpkd_pipeline.steps.step import step_node


def create_pipeline() -> Pipeline:
    """Teacher, then its scores."""
    return Pipeline(
        [
            step_node(finetune_teacher, "finetune_teacher", model="pretrained"),
            step_node(score_teacher, "finetune_teacher", model="teacher"),
        ]
    )
