"""What a sweep and a search have in common: however they end, their record and their MLflow run
say so. MLflow away never stops them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.params import RunParams
from alpkd_pipeline.store.layout import RECORDS
from alpkd_pipeline.store.manifest import lock_file, read_json
from alpkd_pipeline.store.unfinished import taken
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

if TYPE_CHECKING:
    from alpkd_pipeline.tracking.group import Status

log = logging.getLogger(__name__)

EXIT_CODES: Mapping[Status, int] = {"FINISHED": 0, "FAILED": 1, "KILLED": 130}


def now() -> str:
    """The time as records have it, UTC to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def to_its_end(
    work: Callable[[], Status], record: Callable[[Status], None], close: Callable[[Status], None]
) -> Status:
    """Do the work; however it ends, its record is written and its run in MLflow closed.

    Ctrl-C (KeyboardInterrupt) ends it as KILLED, any other exception is raised.
    """
    status: Status = "FAILED"
    try:
        status = work()
    except KeyboardInterrupt:
        status = "KILLED"
    finally:
        try:
            record(status)
        finally:  # the disk may be full
            close(status)
    return status


class TrackedGroup:
    """A run that groups those of its name; without tracking or MLflow it does nothing."""

    def __init__(self, run: RunParams, name: str, project: Path) -> None:
        self.settings: TrackingSettings | None = tracking_settings(
            run.tracking, run.experiment, project
        )
        self._name, self._open = name, False
        self._store = (project / Path(run.store).expanduser()).resolve()

    def open(
        self, kind: Literal["sweep", "search"], description: str, params: Mapping[str, Any]
    ) -> None:
        """Make the run, and with it MLflow's database before several workers want it.

        Runs of earlier sweeps and searches that were killed are closed.
        """
        if self.settings is None:
            return
        from alpkd_pipeline.tracking.group import open_group

        with _faults_as_warnings():
            open_group(self.settings, self._name, kind=kind, description=description, params=params)
            self._open = True
            close_left(self._store, self.settings)

    def close(
        self, status: Status, metrics: Mapping[str, float], files: Sequence[Path] = ()
    ) -> None:
        """Say how it ended."""
        if self.settings is None or not self._open:
            return
        from alpkd_pipeline.tracking.group import close_group

        with _faults_as_warnings():
            close_group(self.settings, self._name, status=status, metrics=metrics, files=files)

    def lines(self, students: Sequence[Path]) -> list[str]:
        """What to print about where the students can be seen, the first ones side by side."""
        if self.settings is None:
            return []
        from alpkd_pipeline.tracking.links import group_lines

        found = group_lines(self.settings, self._name, students)
        return [*found, f"mlflow: {self.settings.ui_command}"]


@contextmanager
def _faults_as_warnings() -> Iterator[None]:
    try:
        yield
    except UserError as error:
        log.warning("%s", error)


def close_left(store: Path, settings: TrackingSettings) -> list[str]:
    """Close the runs of sweeps and searches whose process is gone; nobody holds their lock.

    Those of which this store has no record belong to others. Returns one line for each.
    """
    from alpkd_pipeline.tracking.group import close_abandoned, running_groups

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
