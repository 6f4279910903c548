"""Raw rows to checked, encoded splits."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.data_prep.nodes import encode_splits, prepare_splits


def create_pipeline() -> Pipeline:
    """Splits, then token ids."""
    return Pipeline(
        [
            node(
                prepare_splits,
                inputs={"experiment": "experiment", "raw": "raw_splits", "task": "params:task"},
                outputs="splits",
                name="prepare_splits",
                tags="stage.data_prep",
            ),
            node(
                encode_splits,
                inputs={
                    "experiment": "experiment",
                    "splits": "splits",
                    "pretrained": "pretrained",
                    "max_length": "params:task.max_length",
                },
                outputs="encoded",
                name="encode_splits",
                tags="stage.data_prep",
            ),
        ]
    )
