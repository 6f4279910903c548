"""Links into MLflow's pages that show what a person wants to see next.

Nothing here asks MLflow: what a link needs stands in the state that a sync leaves in run folders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.tracking.flatten import STUDENTS
from alpkd_pipeline.tracking.settings import SERVERS, TrackingSettings
from alpkd_pipeline.tracking.sync_state import SyncState, read_state

LOCAL_PAGE = "http://127.0.0.1:5000"
"""Where `make mlflow` and `mlflow server` show a database."""

MOST_COMPARED = 10
"""Beyond this MLflow's page of compared runs is a wall of columns."""

_USER_INFO = re.compile(r"(?<=://)[^/@]*@")


def page_of(settings: TrackingSettings) -> str | None:
    """The address of MLflow's pages; None where it does not follow from the settings."""
    if settings.database is not None or settings.artifact_root is not None:
        return LOCAL_PAGE
    known = settings.uri.partition(":")[0] in SERVERS[:2]
    return _USER_INFO.sub("", settings.uri).rstrip("/") if known else None


def view_link(page: str, experiment_id: str, view: str = STUDENTS, *, charts: bool = False) -> str:
    """Runs with the filter and the columns of a stored view (`views.py`).

    Args:
        page: the address of MLflow's pages.
        experiment_id: the experiment's number.
        view: the view's key: of all students, or of a sweep or search.
        charts: the runs' curves instead of the table.
    """
    asked = {"workflowType": "machine_learning", "viewStateShareKey": view}
    if charts:
        asked["compareRunsMode"] = "CHART"
    return f"{page}/#/experiments/{experiment_id}/runs?{urlencode(asked)}"


def compare_link(page: str, experiment_id: str, run_ids: Sequence[str]) -> str:
    """Runs side by side: parallel coordinates, scatter, box and contour plots, all values."""
    runs = quote(json.dumps(list(run_ids), separators=(",", ":")), safe="")
    experiments = quote(json.dumps([experiment_id]), safe="")
    return f"{page}/#/compare-runs?runs={runs}&experiments={experiments}"


def run_link(page: str, experiment_id: str, run_id: str) -> str:
    """One run."""
    return f"{page}/#/experiments/{experiment_id}/runs/{run_id}"


def run_lines(settings: TrackingSettings, folder: Path) -> list[str]:
    """The line to print about the run of a folder; none as long as MLflow does not have it."""
    page, states = page_of(settings), _tracked(settings, [folder])
    if page is None:
        return []
    return [f"run: {run_link(page, s.experiment_id, s.run_id)}" for s in states if s.run_id]


def comparison_lines(settings: TrackingSettings, folders: Iterable[Path]) -> list[str]:
    """The lines to print about students that were compared.

    Args:
        settings: where runs are tracked.
        folders: the students' folders, those to be seen side by side first.
    """
    return _lines(settings, folders, STUDENTS)


def group_lines(settings: TrackingSettings, group_id: str, folders: Iterable[Path]) -> list[str]:
    """The lines to print about the students of a sweep or search.

    Args:
        settings: where runs are tracked.
        group_id: the sweep or search.
        folders: all its students' folders, those to be seen side by side first.
    """
    known = [folder for folder in folders if folder.is_dir()]
    # Students that an earlier sweep has trained stay below that sweep's run.
    own = bool(known) and all(_group_of(folder) == group_id for folder in known)
    return _lines(settings, known, group_id if own else STUDENTS)


def _lines(settings: TrackingSettings, folders: Iterable[Path], view: str) -> list[str]:
    page, states = page_of(settings), _tracked(settings, folders)
    if page is None or not states:
        return []
    experiment_id = states[0].experiment_id
    lines = [
        f"students: {view_link(page, experiment_id, view)}",
        f"curves: {view_link(page, experiment_id, view, charts=True)}",
    ]
    run_ids = [state.run_id for state in states if state.run_id]
    if len(run_ids) > 1:
        lines.append(f"side by side: {compare_link(page, experiment_id, run_ids)}")
    return lines


def _tracked(settings: TrackingSettings, folders: Iterable[Path]) -> list[SyncState]:
    found: list[SyncState] = []
    for folder in folders:
        state = read_state(folder)
        if state.run_id and state.place == settings.place and len(found) < MOST_COMPARED:
            found.append(state)
    return found


def _group_of(folder: Path) -> str | None:
    try:
        return read_json(folder / "run.json").get("group")
    except (OSError, ValueError):
        return None
