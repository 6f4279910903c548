"""Nodes of data preparation: check the rows, turn them into token ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.run_folder import Work


def prepare_splits(raw: dict[str, Any], work: Work) -> Path:
    """Check every split of a task and keep them as Parquet, with a report.

    Args:
        raw: a pandas frame for each split; unnamed in the hint, since Kedro resolves hints at each
            start, and importing pandas would take a fifth of it.
        work: the folder to fill.
    """
    from alpkd_pipeline.tasks.splits import write_splits

    folder = work.begin()
    write_splits(raw, work.facts["task"], work.facts["params"]["task"]["max_overlap"], folder)
    return folder


def encode(splits: Path, pretrained: Path, work: Work) -> Path:
    """Turn the checked splits into token ids with the teacher's tokenizer."""
    from alpkd_pipeline.models.encode_folder import encode_folder

    folder = work.begin(splits=splits)
    max_length = work.facts["params"]["task"]["max_length"]
    encode_folder(splits, work.facts["task"], pretrained, max_length, folder)
    return folder
