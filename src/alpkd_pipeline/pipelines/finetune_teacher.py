"""Encoded splits to a fine-tuned teacher, and its dev scores as a user would load it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.steps.step import step, step_node
from alpkd_pipeline.store.artifact import Artifact


@step("teacher", teacher="teacher")
def finetune_teacher(
    folder: Path, encoded: Artifact, model: PathLike[str], teacher: Mapping[str, Any]
) -> None:
    """Fine-tune the pretrained encoder, or check one that was brought fine-tuned."""
    from alpkd_pipeline.training.dispatch import run_stage

    run_stage(folder)


@step("teacher_scores")
def score_teacher(folder: Path, model: Artifact, encoded: Artifact) -> None:
    """Score the saved teacher on the dev splits."""
    from alpkd_pipeline.evaluation.run import score_run

    score_run(model.path, encoded.path, folder, splits="dev")


def create_pipeline() -> Pipeline:
    """Teacher, then its scores."""
    return Pipeline(
        [
            step_node(finetune_teacher, "finetune_teacher", model="pretrained"),
            step_node(score_teacher, "finetune_teacher", model="teacher"),
        ]
    )
