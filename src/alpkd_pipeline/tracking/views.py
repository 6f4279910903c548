"""How MLflow's page of runs looks when it is opened by one of our links: columns, order, filter.

MLflow keeps a shared view as JSON in a tag of the experiment; a link names it by its key. Without
the tag a person would have to choose the columns by hand.
"""

from __future__ import annotations

import json

VIEW_TAG = "mlflow.sharedViewState."
"""The beginning of the tag's name, as MLflow's page looks for it; the view's key follows."""

STUDENTS = "students"
"""The key of the view of all students."""

STUDENTS_FILTER = "tags.stage = 'student'"

CELLS_FILTER = f"{STUDENTS_FILTER} and tags.generation = 'cell'"
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
    """The experiment's tag that holds a view of runs, the best score first.

    Args:
        key: the name by which links ask for it.
        search: MLflow's filter of runs.
    """
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
    return {f"{VIEW_TAG}{key}": json.dumps(view, sort_keys=True)}


def group_filter(group_id: str) -> str:
    """The students that one sweep or search has trained."""
    return f"{STUDENTS_FILTER} and tags.group = '{group_id}'"
