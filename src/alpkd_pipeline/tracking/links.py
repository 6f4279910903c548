"""Links into MLflow's pages that show what a person wants to see next, and how they look then.

Nothing here asks MLflow: what a link needs stands in the state that a sync leaves in run folders.
A shared view, columns, order and filter, is JSON in a tag of the experiment; a link names its key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from urllib.parse import quote, urlencode

from alpkd_pipeline.store.run_folder import RunFolder
from alpkd_pipeline.tracking.settings import SERVERS, SyncState, TrackingSettings, read_state

LOCAL_PAGE = "http://127.0.0.1:5000"
"""Where `make mlflow` and `mlflow server` show a database."""

MOST_COMPARED = 10
"""Beyond this MLflow's page of compared runs is a wall of columns."""

_USER_INFO = re.compile(r"(?<=://)[^/@]*@")

STUDENTS = "students"
"""The key of the view of all students."""

STUDENTS_FILTER = "tags.stage = 'student'"

REGULAR_FILTER = f"{STUDENTS_FILTER} and tags.generation = 'cell'"
"""Without the trials of searches and without reruns."""

COLUMNS = {
    "attributes.`Run Name`": 260,
    "attributes.`Created`": 110,
    "metrics.`score`": 80,
    "metrics.`parameters.total`": 130,
    "metrics.`seconds`": 80,
    "tags.`task`": 80,
    "tags.`method`": 100,
    "tags.`layers`": 60,
    "tags.`seed`": 60,
    "tags.`setup`": 90,
}
"""What a student is known by and what it is worth, and how many pixels that takes."""


def view_tags(key: str, search: str) -> dict[str, str]:
    """The experiment's tag that holds a view of runs; `search` is MLflow's filter of runs."""
    view = {
        "searchFilter": search,
        "orderByKey": "metrics.`score`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "selectedColumns": list(COLUMNS),
        "columnOrder": list(COLUMNS),
        "columnWidths": COLUMNS,
    }
    return {f"mlflow.sharedViewState.{key}": json.dumps(view, sort_keys=True)}


def group_filter(group_id: str) -> str:
    """The students that one sweep or search has trained."""
    return f"{STUDENTS_FILTER} and tags.group = '{group_id}'"


def page_of(settings: TrackingSettings) -> str | None:
    """The address of MLflow's pages; None where it does not follow from the settings."""
    if settings.database is not None or settings.artifact_root is not None:
        return LOCAL_PAGE
    known = settings.uri.partition(":")[0] in SERVERS[:2]
    return _USER_INFO.sub("", settings.uri).rstrip("/") if known else None


def run_lines(settings: TrackingSettings, folder: Path) -> list[str]:
    """The line to print about the run of a folder; none as long as MLflow does not have it."""
    page, states = page_of(settings), _tracked(settings, [folder])
    return [f"run: {page}/#/experiments/{s.experiment_id}/runs/{s.run_id}" for s in states if page]


def comparison_lines(
    settings: TrackingSettings, folders: Iterable[Path], view: str = STUDENTS
) -> list[str]:
    """The lines to print about compared students, the first ones side by side; `view` is a key."""
    page, states = page_of(settings), _tracked(settings, folders)
    if page is None or not states:
        return []
    experiment_id = states[0].experiment_id
    asked = urlencode({"workflowType": "machine_learning", "viewStateShareKey": view})
    table = f"{page}/#/experiments/{experiment_id}/runs?{asked}"
    lines = [f"students: {table}", f"curves: {table}&compareRunsMode=CHART"]
    run_ids = [state.run_id for state in states]
    if len(run_ids) > 1:
        runs = quote(json.dumps(run_ids, separators=(",", ":")), safe="")
        experiments = quote(json.dumps([experiment_id]), safe="")
        lines.append(f"side by side: {page}/#/compare-runs?runs={runs}&experiments={experiments}")
    return lines


def group_lines(settings: TrackingSettings, group_id: str, folders: Iterable[Path]) -> list[str]:
    """The same of all the students of a sweep or search."""
    known = [folder for folder in folders if folder.is_dir()]
    # Students that an earlier sweep has trained stay below that sweep's run.
    groups = {RunFolder(folder).unchecked_run.get("group") for folder in known}
    return comparison_lines(settings, known, group_id if groups == {group_id} else STUDENTS)


def _tracked(settings: TrackingSettings, folders: Iterable[Path]) -> list[SyncState]:
    states = (read_state(folder) for folder in folders)
    known = (state for state in states if state.run_id and state.place == settings.place)
    return list(islice(known, MOST_COMPARED))
