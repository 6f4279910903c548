"""All scored students of the store, in one table."""

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.compare.nodes import compare


def create_pipeline(after: Sequence[str] = ()) -> Pipeline:
    """One node.

    Args:
        after: datasets to wait for, when the same run makes something to compare.
    """
    return Pipeline(
        [
            node(
                compare,
                inputs={"store": "store", "work": "comparison_work", **{n: n for n in after}},
                outputs="comparison",
                name="compare",
                tags="stage.compare",
            )
        ]
    )
