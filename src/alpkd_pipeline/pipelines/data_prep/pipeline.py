"""Raw rows to checked, encoded splits."""

from kedro.pipeline import Pipeline

from alpkd_pipeline.pipelines.data_prep.nodes import encode_splits, prepare_splits
from alpkd_pipeline.steps.step import step_node


def create_pipeline() -> Pipeline:
    """Splits, then token ids."""
    return Pipeline(
        [
            step_node(prepare_splits, "data_prep", raw="raw_splits"),
            step_node(encode_splits, "data_prep"),
        ]
    )
