"""One MLflow run for a comparison of students: its table and its files."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import UserError, plural
from alpkd_pipeline.runs.finished import FinishedFolder
from alpkd_pipeline.runs.manifest import describe, list_files, read_manifest
from alpkd_pipeline.tracking.faults import store_fault
from alpkd_pipeline.tracking.flatten import NOTE_TAG
from alpkd_pipeline.tracking.mlflow_sync import IDENTITY_TAG, MlflowStore, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings

if TYPE_CHECKING:
    from pandas import DataFrame

STAGE = "compare"
TABLE = "table.json"

PAGES = ("report.html", "comparison.md")
"""The files of a comparison that are for reading."""


def log_comparison(folder: Path, settings: TrackingSettings, table: DataFrame) -> str:
    """Record a comparison: the table as MLflow shows tables, the folder's files as artifacts.

    The same comparison again gives the run that it has.

    Args:
        folder: the comparison's folder.
        settings: where to push to.
        table: the comparison, one row per student.

    Returns:
        The run's id.

    Raises:
        UserError: the store cannot be reached.
    """
    try:
        return _log(prepare_store(settings), folder, table)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the comparison {folder} did not get into MLflow at {settings.shown}:"
            f" {store_fault(error)}; its files are complete, compare again when MLflow works"
        ) from None


def compared_folders(comparison: Path, store: Path) -> list[Path]:
    """One student's folder of each task, method and number of layers, that of the least seed.

    Args:
        comparison: the comparison's folder.
        store: the folder of all results.
    """
    students = FinishedFolder(comparison).json("comparison.json")["students"]
    first: dict[tuple[Any, ...], Path] = {}
    for row in sorted(students, key=lambda row: row["seed"]):
        first.setdefault((row["task"], row["method"], row["layers"]), store / row["path"])
    return list(first.values())


def _log(store: MlflowStore, folder: Path, table: Any) -> str:
    key = _key(folder)
    run_id = store.find(key)
    facts = store.facts(run_id) if run_id else None
    if run_id and facts and "complete" in facts.tags:
        return run_id
    now_ms = round(time.time() * 1000)
    if run_id is None:
        tags = {"stage": STAGE, IDENTITY_TAG: key, "key": key, "folder": folder.name}
        tags[NOTE_TAG] = _note(folder, table)
        run_id = store.create(f"comparison-{key[:8]}", now_ms, tags)
    store.log_table(run_id, table, TABLE)
    with tempfile.TemporaryDirectory() as name:
        for path in list_files(folder):
            copy = Path(name) / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        store.log_files(run_id, Path(name))
    store.set_tags(run_id, {"complete": "true"})
    store.end(run_id, "FINISHED", round(time.time() * 1000))
    return run_id


def _note(folder: Path, table: DataFrame) -> str:
    """What was compared, and where to click."""
    counts = [
        plural(table[column].nunique(), word)
        for column, word in (("task", "task"), ("method", "method"), ("layers", "depth"))
        if column in table
    ]
    pages = [name for name in PAGES if (folder / name).is_file()]
    parts = [
        f"{len(table)} students compared: {', '.join(counts)}.",
        f"Open Artifacts, then {' or '.join(f'`{name}`' for name in [*pages, TABLE])}.",
    ]
    return "\n\n".join(parts)


def _key(folder: Path) -> str:
    """What is compared: the manifest's key, or the digest of the folder's files."""
    key = (read_manifest(folder) or {}).get("key")
    files = sorted((name, facts["sha256"]) for name, facts in describe(folder).items())
    return str(key or hashlib.sha256(repr(files).encode()).hexdigest())
