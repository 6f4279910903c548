"""Both models on every split, their size, submission files and latency; how their layers lie.

One function for each result: Kedro-Viz shows the source of plain functions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.steps.step import step, step_node
from alpkd_pipeline.store.artifact import Artifact


@step("teacher_evaluation")
def evaluate_teacher(folder: Path, model: Artifact, encoded: Artifact) -> None:
    """The teacher's predictions and scores on every split, GLUE submission files, size."""
    _evaluate(folder, model, encoded)


@step("student_evaluation")
def evaluate_student(folder: Path, model: Artifact, encoded: Artifact) -> None:
    """The student's predictions and scores on every split, GLUE submission files, size."""
    _evaluate(folder, model, encoded)


@step("teacher_latency", training="training")
def time_teacher(
    folder: Path, model: Artifact, encoded: Artifact, training: Mapping[str, Any]
) -> None:
    """The teacher's latency and throughput on this machine, on real dev lengths."""
    _time(folder, model, encoded)


@step("student_latency", training="training")
def time_student(
    folder: Path, model: Artifact, encoded: Artifact, training: Mapping[str, Any]
) -> None:
    """The student's latency and throughput on this machine, on real dev lengths."""
    _time(folder, model, encoded)


@step("student_geometry", pooling="method.pooling")
def compare_layers(
    folder: Path, student: Artifact, teacher: Artifact, encoded: Artifact, pooling: str
) -> None:
    """Where the student's layers lie among the teacher's, on dev rows."""
    from alpkd_pipeline.evaluation.run import geometry_run

    geometry_run(student.path, teacher.path, encoded.path, folder)


def _evaluate(folder: Path, model: Artifact, encoded: Artifact) -> None:
    from alpkd_pipeline.evaluation.run import evaluate_run

    evaluate_run(model.path, encoded.path, folder)


def _time(folder: Path, model: Artifact, encoded: Artifact) -> None:
    from alpkd_pipeline.evaluation.run import time_run

    time_run(model.path, encoded.path, folder)


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
