"""A finished model to the folder that is published."""

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.export.nodes import (
    convert_student,
    convert_teacher,
    publish_student,
    publish_teacher,
)
from alpkd_pipeline.steps.step import step_node


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
