"""Raw rows to checked splits, and these to token ids."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from kedro.pipeline import Pipeline

from alpkd_pipeline.datasets.inputs import RawRows
from alpkd_pipeline.steps.step import step, step_node
from alpkd_pipeline.store.artifact import Artifact


@step("splits", task="task")
def prepare_splits(folder: Path, raw: RawRows, task: Mapping[str, Any]) -> None:
    """Check every split of a task and keep them as Parquet, with a report."""
    from alpkd_pipeline.tasks.validate import write_splits

    write_splits(raw.frames, raw.task.to_dict(), task["max_overlap"], folder)


@step("encoded", max_length="task.max_length")
def encode_splits(
    folder: Path, splits: Artifact, pretrained: PathLike[str], max_length: int
) -> None:
    """Turn the checked splits into token ids with the teacher's tokenizer."""
    from alpkd_pipeline.models.encoder import encode_folder
    from alpkd_pipeline.store.manifest import read_json
    from alpkd_pipeline.store.run_folder import RUN_CONFIG

    task = read_json(folder / RUN_CONFIG)["task"]
    encode_folder(splits.path, task, Path(pretrained), max_length, folder)


def create_pipeline() -> Pipeline:
    """Splits, then token ids."""
    return Pipeline(
        [
            step_node(prepare_splits, "data_prep", raw="raw_splits"),
            step_node(encode_splits, "data_prep"),
        ]
    )
