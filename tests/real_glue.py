"""Real GLUE files, where ALPKD_GLUE_DIR names a folder that has them; tests skip by name if not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources.folder import find_files
from alpkd_pipeline.tasks.task import SourceSpec

SPLITS = {"train", "dev", "test"}


def real_glue(name: str, layout: str = "") -> Path:
    """The folder to give as `task.path`; skips the test where it lacks the task's files.

    Args:
        name: a GLUE task.
        layout: `parquet` as on the hub, `tsv` as in the original download; whichever there is, if
            left out.
    """
    named = os.environ.get("ALPKD_GLUE_DIR")
    if not named:
        pytest.skip("ALPKD_GLUE_DIR does not name a folder of GLUE files")
    # Where both are side by side, the source takes Parquet files first.
    for folder in (Path(named), Path(named, "glue_tsv")):
        try:
            found = find_files(SourceSpec("folder", path=str(folder)), GLUE[name].task, Path())
        except UserError:
            continue
        kind = "parquet" if found["train"].suffix == ".parquet" else "tsv"
        if layout in ("", kind) and set(found) >= SPLITS:
            return folder
    pytest.skip(f"{named} (ALPKD_GLUE_DIR) has no {layout} files of {name}".replace("  ", " "))
