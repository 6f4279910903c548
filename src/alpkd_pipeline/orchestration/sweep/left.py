"""Sweeps and searches that were killed: without help MLflow calls their runs running for ever."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from alpkd_pipeline.orchestration.integrity.locks import taken
from alpkd_pipeline.orchestration.integrity.places import RECORDS
from alpkd_pipeline.runs.locks import lock_file
from alpkd_pipeline.runs.manifest import read_json
from alpkd_pipeline.tracking.group import Status, close_abandoned, running_groups
from alpkd_pipeline.tracking.settings import TrackingSettings


def close_left(store: Path, settings: TrackingSettings) -> list[str]:
    """Close the runs of sweeps and searches whose process is gone; nobody holds their lock.

    Those of which this store has no record belong to others.

    Args:
        store: the folder of all results.
        settings: where runs are tracked.

    Returns:
        One line for each run that was closed.

    Raises:
        UserError: MLflow cannot be reached.
    """
    records = [path for place in RECORDS for path in (store / place).glob("[!.]*.json")]
    running = running_groups(settings) if records else frozenset()
    closed = []
    for path in sorted(path for path in records if path.stem in running):
        # Where no lock can be taken, nothing is known of who runs.
        with suppress(OSError), taken(lock_file(path.with_suffix(""))) as gone:
            # Under the lock: a search may be taken up again at any moment.
            status = _status(path) if gone else None
            if status and close_abandoned(settings, path.stem, status):
                closed.append(f"{path.stem} has ended, its run is {status} now")
    return closed


def _status(record: Path) -> Status | None:
    """How a sweep or search ended, by its record; None if that cannot be read."""
    try:
        found: Mapping[str, Any] = read_json(record)
        states = {str(job["state"]) for job in found.get("jobs", ())}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if found.get("ended") is None:
        return "KILLED"
    if states <= {"done"}:
        return "FINISHED"
    return "FAILED" if "failed" in states else "KILLED"
