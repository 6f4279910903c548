"""The MLflow run above the runs of a sweep or search."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from alpkd_pipeline.tracking.mlflow_sync import IDENTITY_TAG, MlflowStore

Kind = Literal["sweep", "search"]

GROUP_TAG = "group"
PARENT_TAG = "mlflow.parentRunId"
"""The tag by which MLflow's page puts a run below another one."""

_FOUND: dict[tuple[str, str], str] = {}
"""Run ids by store and group, so that a process that trains many cells asks once."""


def find_parent(store: MlflowStore, group_id: str) -> str | None:
    """The run of a group, if there is one."""
    place = (store.token, group_id)
    if place not in _FOUND and (run_id := store.find(group_id)):
        _FOUND[place] = run_id
    return _FOUND.get(place)


def make_parent(
    store: MlflowStore, group_id: str, kind: Kind, start_ms: int, tags: Mapping[str, str]
) -> str:
    """The run of a group, made if there is none; other processes may do so at the same time."""
    if find_parent(store, group_id) is None:
        own = {"stage": kind, GROUP_TAG: group_id, IDENTITY_TAG: group_id}
        store.create(group_id, start_ms, {**tags, **own})
    # Whoever was first: of two parents made at once all take the same one.
    found = find_parent(store, group_id)
    assert found is not None
    return found


def parent_tags(store: MlflowStore, run: Mapping[str, Any], start_ms: int) -> dict[str, str]:
    """The tags that put a training below its group's run, which is made if it is missing.

    Args:
        store: where the runs are.
        run: the content of run.json.
        start_ms: when the training began.

    Returns:
        No tags for a training that nobody grouped.
    """
    group_id = run.get("group")
    if not group_id:
        return {}
    run_id = find_parent(store, group_id)
    if run_id is None:
        # Nobody opened it here: the training was copied from elsewhere. So nobody will close it.
        trial = run["identity"].get("generation") == "trial"
        run_id = make_parent(store, group_id, "search" if trial else "sweep", start_ms, {})
        store.end(run_id, "FINISHED", start_ms)
    return {GROUP_TAG: group_id, PARENT_TAG: run_id}
