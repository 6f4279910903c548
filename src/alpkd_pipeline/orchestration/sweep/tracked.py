"""The sweep in MLflow: one run above those of its trainings. MLflow away never stops a sweep."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.params import RunParams
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

log = logging.getLogger(__name__)

Kind = Literal["sweep", "search"]
Status = Literal["FINISHED", "FAILED", "KILLED"]


class TrackedGroup:
    """A run that groups others; without tracking, or while MLflow is away, it does nothing.

    Args:
        run: the parameters that say where runs are tracked.
        name: what the trainings know the group by (`run.group`).
        project: the project's root.

    Raises:
        UserError: `run.tracking` is no address.
    """

    def __init__(self, run: RunParams, name: str, project: Path) -> None:
        self.settings: TrackingSettings | None = tracking_settings(
            run.tracking, run.experiment, project
        )
        self._name, self._open = name, False
        self._store = (project / Path(run.store).expanduser()).resolve()

    def open(self, kind: Kind, description: str, params: Mapping[str, Any]) -> None:
        """Make the run, and with it MLflow's database before several workers want it.

        Runs of earlier sweeps and searches that were killed are closed.
        """
        if self.settings is None:
            return
        from alpkd_pipeline.orchestration.sweep.left import close_left
        from alpkd_pipeline.tracking.group import open_group

        try:
            open_group(self.settings, self._name, kind=kind, description=description, params=params)
            self._open = True
            close_left(self._store, self.settings)
        except UserError as error:
            log.warning("%s", error)

    def close(
        self, status: Status, metrics: Mapping[str, float], files: Sequence[Path] = ()
    ) -> None:
        """Say how it ended."""
        if self.settings is None or not self._open:
            return
        from alpkd_pipeline.tracking.group import close_group

        try:
            close_group(self.settings, self._name, status=status, metrics=metrics, files=files)
        except UserError as error:
            log.warning("%s", error)

    def lines(self, students: Sequence[Path]) -> list[str]:
        """What to print about where the students can be seen.

        Args:
            students: their folders, those to be seen side by side first.
        """
        if self.settings is None:
            return []
        from alpkd_pipeline.tracking.links import group_lines

        found = group_lines(self.settings, self._name, students)
        return [*found, f"mlflow: {self.settings.ui_command}"]
