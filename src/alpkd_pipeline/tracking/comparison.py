"""One MLflow run for a comparison of students: its table and its files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.errors import plural
from alpkd_pipeline.store.event_log import sealed_events
from alpkd_pipeline.store.layout import PAGES
from alpkd_pipeline.store.manifest import list_files
from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tracking.flatten import NOTE_TAG, training_id
from alpkd_pipeline.tracking.mlflow_sync import IDENTITY_TAG, MlflowStore, now_ms, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings, faults_told

if TYPE_CHECKING:
    from pandas import DataFrame

TABLE = "table.json"


def log_comparison(folder: Path, settings: TrackingSettings, table: DataFrame) -> str:
    """Record a comparison: the table as MLflow shows tables, the folder's files as artifacts. Gives
    the run's id, the same for the same comparison; UserError where MLflow is out of reach."""
    remedy = "its files are complete, compare again when MLflow works"
    with faults_told(settings, f"the comparison {folder}", remedy):
        store, key = prepare_store(settings), RunFolder(folder).key
        run_id = store.find(key)
        if run_id is None:
            tags = {"stage": "compare", IDENTITY_TAG: key, "key": key, "folder": folder.name}
            tags[NOTE_TAG] = _note(folder, table)
            run_id = store.create(f"comparison-{key[:8]}", now_ms(), tags)
        elif (facts := store.facts(run_id)) and "complete" in facts.tags:
            return run_id
        store.log_table(run_id, table, TABLE)
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in list_files(folder)}
        store.log_files(run_id, files)
        store.set_tags(run_id, {"complete": "true"})
        store.end(run_id, "FINISHED", now_ms())
        return run_id


def compared_folders(comparison: Path, store: Path) -> list[Path]:
    """One student's folder of each task, method and number of layers, that of the least seed."""
    students = RunFolder(comparison).json("comparison.json")["students"]
    first: dict[tuple[Any, ...], Path] = {}
    for row in sorted(students, key=lambda row: row["seed"]):
        first.setdefault((row["task"], row["method"], row["layers"]), store / row["path"])
    return list(first.values())


def _note(folder: Path, table: DataFrame) -> str:
    """What was compared, and where to click."""
    counts = [
        plural(table[column].nunique(), word)
        for column, word in (("task", "task"), ("method", "method"), ("layers", "depth"))
        if column in table
    ]
    pages = [name for name in PAGES if (folder / name).is_file()]
    where = " or ".join(f"`{name}`" for name in [*pages, TABLE])
    return f"{len(table)} students compared: {', '.join(counts)}.\n\nOpen Artifacts, then {where}."


def tag_rerun(
    original: Path, rerun: Path, verdict: str, date: str, settings: TrackingSettings
) -> tuple[str | None, str | None]:
    """Tag the runs of two folders with what the rerun came to, as far as MLflow has them. Gives the
    ids of both; None for one that is not there. UserError where MLflow is out of reach."""
    with faults_told(settings, f"the verdict on {original.name}", "the report has it"):
        store = prepare_store(settings)
        of, by = (_run_of(RunFolder(folder), store) for folder in (original, rerun))
        if of and by:
            tags = {"rerun.verdict": verdict, "rerun.date": date}
            store.set_tags(by, {**tags, "rerun.of": of})
            store.set_tags(of, {**tags, "rerun.by": by})
    return of, by


def _run_of(folder: RunFolder, store: MlflowStore) -> str | None:
    """The run of a folder; None where there is none, or a person has deleted it."""
    first = next(iter(sealed_events(folder)), None)
    return store.find(training_id(folder.run["identity"]["key"], first)) if first else None


def key_of_run(run_id: str, settings: TrackingSettings) -> str | None:
    """The key of the training that a run shows, None without a run; UserError without MLflow."""
    with faults_told(settings, f"the question for run {run_id}", "name it by its key or folder"):
        facts = prepare_store(settings).facts(run_id)
    return facts.tags.get("key") if facts else None
