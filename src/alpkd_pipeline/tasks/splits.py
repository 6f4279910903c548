"""The folder of checked splits: one Parquet file a split, and the report of the check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.runs.manifest import write_json
from alpkd_pipeline.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

REPORT = "report.json"


def write_splits(
    frames: dict[str, pd.DataFrame], task: Mapping[str, Any], max_overlap: float, folder: Path
) -> None:
    """Check the splits of a task; write each as `<split>.parquet` and the report of the check.

    Args:
        frames: one frame a split, as `sources.load_splits` gives them.
        task: `Task.to_dict()`.
        max_overlap: the share of dev rows that may also stand in train.
        folder: where the files go.

    Raises:
        UserError: every fault of every split; nothing is written.
    """
    from alpkd_pipeline.tasks.validate import check_splits

    report = check_splits(frames, Task.from_dict(dict(task)), max_overlap)
    for name, frame in frames.items():
        # What sources note about a frame, such as its file, has no place in a result.
        frame = frame.reset_index(drop=True)
        frame.attrs = {}
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    write_json(folder / REPORT, report.to_dict())
