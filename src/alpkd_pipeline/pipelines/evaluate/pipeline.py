"""Teacher and student on every split, and how fast they are."""

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from alpkd_pipeline.pipelines.evaluate.nodes import evaluate_model, time_model

_WORK = {"evaluation": evaluate_model, "latency": time_model}


def create_pipeline() -> Pipeline:
    """Two nodes for each of the two models."""
    return Pipeline([_node(work, model) for model in ("teacher", "student") for work in _WORK])


def _node(work: str, model: str) -> Node:
    return node(
        _WORK[work],
        inputs={"model": model, "encoded": "encoded", "work": f"{model}_{work}_work"},
        outputs=f"{model}_{work}",
        name=f"{model}_{work}",
        tags="stage.evaluate",
    )
