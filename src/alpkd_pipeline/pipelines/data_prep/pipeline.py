"""Raw rows to checked, encoded splits."""

from kedro.pipeline import Pipeline, node

from alpkd_pipeline.pipelines.data_prep.nodes import encode, prepare_splits


def create_pipeline() -> Pipeline:
    """Splits, then token ids."""
    return Pipeline(
        [
            node(
                prepare_splits,
                inputs={"raw": "raw_splits", "work": "splits_work"},
                outputs="splits",
                name="prepare_splits",
                tags="stage.data_prep",
            ),
            node(
                encode,
                inputs={"splits": "splits", "pretrained": "pretrained", "work": "encoded_work"},
                outputs="encoded",
                name="encode",
                tags="stage.data_prep",
            ),
        ]
    )
