"""Steps of the teacher: fine-tune it, score it as a user would load it."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from alpkd_pipeline.steps.step import step
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
