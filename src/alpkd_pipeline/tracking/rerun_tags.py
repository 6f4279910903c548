"""The tags that tie the MLflow runs of an original and of its rerun together."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.finished import FinishedFolder
from alpkd_pipeline.runs.journal import sealed_events
from alpkd_pipeline.tracking.faults import store_fault
from alpkd_pipeline.tracking.flatten import training_id
from alpkd_pipeline.tracking.mlflow_sync import MlflowStore, prepare_store
from alpkd_pipeline.tracking.settings import TrackingSettings
from alpkd_pipeline.tracking.sync_state import read_state

VERDICT, DATE, OF, BY = "rerun.verdict", "rerun.date", "rerun.of", "rerun.by"


def tag_rerun(
    original: Path, rerun: Path, verdict: str, date: str, settings: TrackingSettings
) -> tuple[str | None, str | None]:
    """Tag the runs of two folders with what the rerun came to, as far as MLflow has them.

    Args:
        original: the original's run folder.
        rerun: the run folder that was made again.
        verdict: in words.
        date: when.
        settings: where runs are tracked.

    Returns:
        The ids of both runs; None for one that is not there.

    Raises:
        UserError: the tracking store cannot be reached; nothing else is lost by that.
    """
    try:
        store = prepare_store(settings)
        of, by = (_run_of(folder, store, settings) for folder in (original, rerun))
        if of and by:
            tags = {VERDICT: verdict, DATE: date}
            store.set_tags(by, {**tags, OF: of})
            store.set_tags(of, {**tags, BY: by})
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"the verdict on {original.name} did not get into MLflow at {settings.shown}:"
            f" {store_fault(error)}; the report has it"
        ) from None
    return of, by


def _run_of(folder: Path, store: MlflowStore, settings: TrackingSettings) -> str | None:
    """The run of a folder: as its state says, or found by what the files say."""
    state = read_state(folder)
    run_id = state.run_id if state.place == settings.place else None
    if run_id is None:
        finished = FinishedFolder(folder)
        first = next(iter(sealed_events(finished)), None)
        key = finished.json("run.json")["identity"]["key"]
        run_id = store.find(training_id(key, first)) if first else None
    # A person may have deleted it.
    return run_id if run_id and store.facts(run_id) is not None else None


def key_of_run(run_id: str, settings: TrackingSettings) -> str | None:
    """The key of the training that an MLflow run shows; None where there is no such run.

    Raises:
        UserError: the tracking store cannot be reached.
    """
    try:
        store = prepare_store(settings)
        return store.tag(run_id, "key") if store.facts(run_id) is not None else None
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"MLflow at {settings.shown} cannot be asked for run {run_id}: {store_fault(error)};"
            " name the run by its key or folder"
        ) from None
