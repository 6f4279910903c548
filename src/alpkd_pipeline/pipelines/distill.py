"""A teacher to its signals, a student and the student's dev scores."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.steps.step import step, step_node
from alpkd_pipeline.store.artifact import Artifact


@step("signals", pooling="method.pooling", signals="signals")
def record_signals(
    folder: Path, teacher: Artifact, encoded: Artifact, pooling: str, signals: Mapping[str, Any]
) -> None:
    """Keep what the teacher says about every train and dev row, for all students to come."""
    from alpkd_pipeline.training.dispatch import run_stage

    run_stage(folder)


@step("student", student="student", method="method", training="training", seed="seed")
def distill_student(
    folder: Path,
    encoded: Artifact,
    teacher: Artifact,
    signals: Artifact,
    model: PathLike[str] | None,
    checkpoint: PathLike[str] | None,
    student: Mapping[str, Any],
    method: Mapping[str, Any],
    training: Mapping[str, Any],
    seed: int,
) -> None:
    """Train the student; inputs that this experiment does without are None, or not used."""
    from alpkd_pipeline.training.dispatch import run_stage

    run_stage(folder)


@step("student_scores")
def score_student(folder: Path, model: Artifact, encoded: Artifact) -> None:
    """Score the saved student on the dev splits."""
    from alpkd_pipeline.evaluation.run import score_run

    score_run(model.path, encoded.path, folder, splits="dev")


def create_pipeline() -> Pipeline:
    """Signals, student, scores."""
    pretrained = {"model": "student_pretrained", "checkpoint": "student_checkpoint"}
    return Pipeline(
        [
            step_node(record_signals, "signals"),
            step_node(distill_student, "distill", **pretrained),
            step_node(score_student, "distill", model="student"),
        ]
    )
