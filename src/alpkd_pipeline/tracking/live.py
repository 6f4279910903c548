"""Pushes a run folder to MLflow while its training runs, from a thread nobody waits for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from alpkd_pipeline.errors import as_typed, kind_and_line
from alpkd_pipeline.tracking.folder_sync import FolderSync, Pictures
from alpkd_pipeline.tracking.mlflow_sync import is_busy, load_mlflow, now_ms
from alpkd_pipeline.tracking.settings import SYNC_COMMAND, Ended, TrackingSettings, store_fault

log = logging.getLogger(__name__)

FINISH_SECONDS = 30.0
FAIL_SECONDS = 10.0
"""How long the end of a training waits for the tracking store; after that a later sync does it."""

RETRY_SECONDS = 0.5
LONGEST_PAUSE = 60.0
AWAY_FAILURES, AWAY_SECONDS = 2, 2.0
"""A store that failed so often in a row is away, which is told, and how long the end of a training
waits for it. One failed push is nothing: a connection may have been closed meanwhile."""


class LiveSync:
    """The live view of one training in MLflow. No method raises, and none waits for the store
    longer than it says. What could not be pushed stays in the run folder for a later sync."""

    def __init__(
        self,
        folder: Path,
        settings: TrackingSettings,
        poll_seconds: float = 2.0,
        pictures: Pictures | None = None,
    ) -> None:
        self._name, self._settings, self._poll_seconds = folder.name, settings, poll_seconds
        self._sync = FolderSync(folder, settings, pictures, live=True)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._closing: Callable[[], object] | None = None
        self._closed, self._deadline = False, 0.0
        self._failures, self._fault = 0, ""

    def start(self) -> None:
        """Begin to push. Imports MLflow first, which takes a second or two once per process."""
        try:
            self._sync.note_end(None)
            load_mlflow(self._settings)
        except Exception as error:
            self._fault = kind_and_line(error)
            log.warning("%s is not tracked while it runs: %s", self._name, self._fault)
            return
        self._thread = threading.Thread(target=self._loop, name="mlflow-sync", daemon=True)
        self._thread.start()

    def finish(self, final_folder: Path, seconds: float = FINISH_SECONDS) -> None:
        """Push the rest of a published folder and mark the run FINISHED."""
        self._close(lambda: self._sync.close(final_folder), seconds)

    def fail(self, reason: BaseException) -> None:
        """Push what is there and mark the run FAILED, or KILLED when somebody stopped it."""
        stopped = isinstance(reason, KeyboardInterrupt | SystemExit)
        status = "KILLED" if stopped else "FAILED"
        ended = Ended(status, kind_and_line(reason), now_ms())
        try:
            self._sync.note_end(ended)
        except OSError as error:
            log.warning("%s: its failure could not be noted: %s", self._name, kind_and_line(error))
        self._close(self._sync.catch_up, FAIL_SECONDS)

    def _close(self, action: Callable[[], object], seconds: float) -> None:
        if self._thread is not None:
            seconds = min(seconds, AWAY_SECONDS) if self._away else seconds
            self._deadline = time.monotonic() + seconds
            self._closing = action
            self._wake.set()
            self._thread.join(seconds)
        if not self._closed:
            why, once = (f" ({self._fault})", ", once that is mended") if self._fault else ("", "")
            log.warning(
                f"MLflow at {self._settings.shown} does not have all of {self._name} yet{why};"
                f" nothing is lost, `{as_typed(SYNC_COMMAND)}` catches up later{once}"
            )

    def _loop(self) -> None:
        while self._closing is None:
            self._attempt(self._sync.catch_up)
            self._wake.wait(min(LONGEST_PAUSE, self._poll_seconds * 2 ** min(self._failures, 10)))
        self._closed = self._attempt(self._closing)
        while not self._closed and not self._away and time.monotonic() < self._deadline:
            time.sleep(RETRY_SECONDS)
            self._closed = self._attempt(self._closing)

    @property
    def _away(self) -> bool:
        return self._failures >= AWAY_FAILURES

    def _attempt(self, action: Callable[[], object]) -> bool:
        try:
            action()
        except Exception as error:
            if not is_busy(error):
                self._failures, self._fault = self._failures + 1, store_fault(error)
                if self._failures == AWAY_FAILURES:
                    told = "MLflow at %s takes nothing at the moment (%s); training goes on"
                    log.warning(told, self._settings.shown, self._fault)
            return False
        if self._away:
            log.info("MLflow at %s works again", self._settings.shown)
        self._failures, self._fault = 0, ""
        return True
