"""A finished model as ONNX files, and as the folder that is published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.steps.step import step, step_node
from alpkd_pipeline.store.artifact import Artifact


@step("teacher_onnx", opset="export.opset")
def convert_teacher(folder: Path, model: Artifact, opset: int) -> None:
    """The teacher as ONNX, in fp32 and int8."""
    from alpkd_pipeline.export.graph import convert

    convert(model.path, folder, opset=opset)


@step("student_onnx", opset="export.opset")
def convert_student(folder: Path, model: Artifact, opset: int) -> None:
    """The student as ONNX, in fp32 and int8."""
    from alpkd_pipeline.export.graph import convert

    convert(model.path, folder, opset=opset)


@step("teacher_export", export="export")
def publish_teacher(
    folder: Path,
    model: Artifact,
    onnx: Artifact,
    encoded: Artifact,
    splits: Artifact,
    export: Mapping[str, Any],
) -> None:
    """The teacher calibrated, held against torch, timed, and told in a card."""
    _publish(folder, model=model, onnx=onnx, encoded=encoded, splits=splits)


@step("student_export", export="export")
def publish_student(
    folder: Path,
    model: Artifact,
    teacher: Artifact,
    onnx: Artifact,
    encoded: Artifact,
    splits: Artifact,
    export: Mapping[str, Any],
) -> None:
    """The student calibrated, held against torch, timed beside its teacher, and told in a card."""
    _publish(folder, model=model, teacher=teacher, onnx=onnx, encoded=encoded, splits=splits)


def _publish(folder: Path, **made: Artifact) -> None:
    from alpkd_pipeline.export.card import write_card
    from alpkd_pipeline.export.publish import publish_run

    publish_run(folder, **{name: one.path for name, one in made.items()})
    write_card(folder)


def create_pipeline(of: str = "student") -> Pipeline:
    """Two nodes, for the `student` or the `teacher`."""
    convert, publish = {
        "student": (convert_student, publish_student),
        "teacher": (convert_teacher, publish_teacher),
    }[of]
    return Pipeline(
        [
            step_node(convert, "export", model=of),
            step_node(publish, "export", model=of, onnx=f"{of}_onnx"),
        ]
    )
