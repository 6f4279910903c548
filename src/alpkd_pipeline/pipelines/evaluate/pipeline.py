"""Teacher and student on every split, how fast they are, and how their layers lie."""

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from alpkd_pipeline.pipelines.evaluate.nodes import compare_layers, evaluate_model, time_model

_WORK = {"evaluation": evaluate_model, "latency": time_model}


def create_pipeline() -> Pipeline:
    """Two nodes for each of the two models, and one for both."""
    each = [_node(work, model) for model in ("teacher", "student") for work in _WORK]
    return Pipeline([*each, _geometry()])


def _node(work: str, model: str) -> Node:
    return node(
        _WORK[work],
        inputs={"model": model, "encoded": "encoded", "work": f"{model}_{work}_work"},
        outputs=f"{model}_{work}",
        name=f"{model}_{work}",
        tags="stage.evaluate",
    )


def _geometry() -> Node:
    return node(
        compare_layers,
        inputs={
            "student": "student",
            "teacher": "teacher",
            "encoded": "encoded",
            "work": "student_geometry_work",
        },
        outputs="student_geometry",
        name="student_geometry",
        tags="stage.evaluate",
    )
