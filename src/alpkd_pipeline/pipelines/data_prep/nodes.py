"""Nodes of data preparation: check the rows, turn them into token ids."""

from __future__ import annotations

from pathlib import Path

# Kedro resolves the hints of nodes, and its catalog imports pandas anyway.
import pandas as pd

from alpkd_pipeline.runs.run_folder import Work


def prepare_splits(raw: dict[str, pd.DataFrame], work: Work) -> Path:
    """Check every split of a task and keep them as Parquet, with a report."""
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
