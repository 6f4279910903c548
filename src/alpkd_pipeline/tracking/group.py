"""A sweep or a search as one MLflow run, above the runs of what it trains."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from alpkd_pipeline.errors import mask_credentials
from alpkd_pipeline.tracking.flatten import NOTE_TAG, flat_values
from alpkd_pipeline.tracking.links import group_filter, view_tags
from alpkd_pipeline.tracking.mlflow_sync import IDENTITY_TAG, MlflowStore, now_ms, prepare_store
from alpkd_pipeline.tracking.points import RESULT_STEP, points_of
from alpkd_pipeline.tracking.settings import TrackingSettings, faults_told

CampaignKind = Literal["sweep", "search"]

Status = Literal["FINISHED", "FAILED", "KILLED"]
"""How a sweep or search ended, in MLflow's words."""

GROUP_TAG = "group"
PARENT_TAG = "mlflow.parentRunId"
"""By which MLflow's page puts a run below another one."""


def make_parent(store: MlflowStore, group_id: str, kind: CampaignKind, start_ms: int) -> str:
    """The run of a group, made if there is none; other processes may do so at the same time."""
    if store.find(group_id) is None:
        tags = {"stage": kind, GROUP_TAG: group_id, IDENTITY_TAG: group_id}
        store.create(group_id, start_ms, tags)
    # Whoever was first: of two parents made at once all take the same one.
    found = store.find(group_id)
    assert found is not None
    return found


def parent_tags(store: MlflowStore, run: Mapping[str, Any], start_ms: int) -> dict[str, str]:
    """The tags that put a training below its group's run, which is made if it is missing."""
    group_id = run.get("group")
    if not group_id:
        return {}
    run_id = store.find(group_id)
    if run_id is None:
        # Nobody opened it here: the training was copied from elsewhere. So nobody will close it.
        trial = run["identity"].get("generation") == "trial"
        run_id = make_parent(store, group_id, "search" if trial else "sweep", start_ms)
        store.end(run_id, "FINISHED", start_ms)
    return {GROUP_TAG: group_id, PARENT_TAG: run_id}


@contextmanager
def _opened(settings: TrackingSettings, group_id: str) -> Iterator[MlflowStore]:
    """The store, to say something of a group; raises UserError where it cannot be reached."""
    with faults_told(settings, f"the run '{group_id}'", "what it trains is kept in the store"):
        yield prepare_store(settings)


def open_group(
    settings: TrackingSettings,
    group_id: str,
    *,
    kind: CampaignKind,
    description: str,
    params: Mapping[str, Any] | None = None,
) -> str:
    """Make the run of a sweep or search, or go on with the one that is there; its id.

    Its name is `group_id`, which the trainings' run.json will hold as `group`. The description is
    Markdown. Raises UserError where the store cannot be reached, as all that follow.
    """
    with _opened(settings, group_id) as store:
        run_id = make_parent(store, group_id, kind, now_ms())
        store.log_params(run_id, flat_values(params or {}), store.facts(run_id))
        store.set_tags(run_id, {NOTE_TAG: mask_credentials(description)})
        for name, view in view_tags(group_id, group_filter(group_id)).items():
            store.client.set_experiment_tag(store.experiment_id, name, view)
        store.resume(run_id)
    return run_id


def close_group(
    settings: TrackingSettings,
    group_id: str,
    *,
    status: Status,
    metrics: Mapping[str, float] | None = None,
    files: Sequence[Path] = (),
) -> None:
    """Say in MLflow how a sweep or search ended, if it has a run; of the files those there are."""
    with _opened(settings, group_id) as store:
        run_id = store.find(group_id)
        if run_id is None:
            return
        at_ms = now_ms()
        store.log_points(run_id, points_of(metrics or {}, at_ms, RESULT_STEP))
        store.log_files(run_id, {f.name: f.read_bytes() for f in files if f.is_file()})
        store.delete_doubles(group_id, keep=run_id)
        store.end(run_id, status, at_ms)


def running_groups(settings: TrackingSettings) -> frozenset[str]:
    """The sweeps and searches that MLflow calls running."""
    with _opened(settings, "killed sweeps") as store:
        return frozenset(store.running(get_args(CampaignKind)))


def close_abandoned(settings: TrackingSettings, group_id: str, status: Status) -> bool:
    """Close an open run of a group that is gone, as of its last training; whether there was one."""
    with _opened(settings, group_id) as store:
        found = store.running(get_args(CampaignKind)).get(group_id)
        if found is not None:
            run_id, start_ms = found
            store.end(run_id, status, max(start_ms, store.last_end(GROUP_TAG, group_id)))
        return found is not None
