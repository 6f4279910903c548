"""All scored students of the store, in one table."""

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.compare.nodes import compare_students


def create_pipeline(after: Sequence[str] = ()) -> Pipeline:
    """One node.

    Args:
        after: datasets to wait for, when the same run makes something to compare.
    """
    given = {"store": "store", "compare": "params:compare", "experiment": "experiment"}
    return Pipeline(
        [
            node(
                compare_students,
                inputs={**given, **{name: name for name in after}},
                outputs="comparison",
                name="compare_students",
                tags="stage.compare",
            )
        ]
    )
