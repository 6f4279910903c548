"""Fills one MLflow run from one run folder, as often as wanted: twice is the same as once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from alpkd_pipeline.errors import kind_and_line, mask_credentials
from alpkd_pipeline.store.checkpoints import data_digests
from alpkd_pipeline.store.event_log import EVENT_LOG, START, Place, read_event_log, sealed_events
from alpkd_pipeline.store.manifest import lock_file, read_json
from alpkd_pipeline.store.run_folder import METRICS, RUN_CONFIG, RunFolder
from alpkd_pipeline.tracking import flatten, mlflow_sync, points
from alpkd_pipeline.tracking.group import parent_tags
from alpkd_pipeline.tracking.settings import (
    SYNC_COMMAND,
    Ended,
    TrackingSettings,
    faults_told,
    read_state,
    write_state,
)

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 15.0
"""Seconds to wait for another process that is pushing the same folder."""

BUSY_ATTEMPTS, BUSY_PAUSE = 5, 1.0
"""How often, and after how many seconds, a busy database is tried again."""

Pictures = Callable[[Path], dict[str, bytes]]
"""Draws the pictures of a finished run folder: file name -> bytes."""


class FolderSync:
    """One run folder and its MLflow run.

    The run is found by the training's id, which follows from the files alone: a folder that was
    copied, whose state was lost, or whose training was killed and resumed goes on in the run it
    had. A `live` training runs now, so that the run's status should be RUNNING.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrackingSettings,
        pictures: Pictures | None = None,
        *,
        live: bool = False,
    ) -> None:
        self.folder, self._name = folder, folder.name.removesuffix(".work")
        self._settings, self._pictures, self._live = settings, pictures, live
        self._state, self._state_lock = read_state(folder), threading.Lock()
        self._finished: RunFolder | None = None
        self._run: Mapping[str, Any] = {}  # what its run.json says, once there is a run in MLflow
        self._read, self._last_ms = START, 0

    def note_end(self, ended: Ended | None) -> None:
        """Remember in the folder how the training stopped, or that it goes on."""
        if ended != self._state.ended and self.folder.is_dir():
            self._remember(ended=ended)

    def catch_up(self) -> str | None:
        """Push the event log's new lines, and how the training stopped if `note_end` was told.
        Gives the run's id; None as long as nothing has begun."""
        # A folder that is gone has not begun, or was published a moment ago.
        return self._push() if self.folder.is_dir() else None

    def close(self, final: Path) -> str | None:
        """Push everything of a folder that was published as `final`, whose run is FINISHED then.
        Gives the run's id; None when the folder holds no training."""
        self.folder, self._finished = final, RunFolder(final)
        return self._push()

    def _push(self) -> str | None:
        """Push to the folder's run, alone of all processes; None if it has none yet."""
        where = lock_file(self.folder.with_name(f"{self._name}.mlflow"))
        where.parent.mkdir(exist_ok=True)
        with FileLock(where, timeout=LOCK_TIMEOUT):
            run_id = self._attach()
            if run_id is not None and self._finished is not None:
                self._close(self._finished, run_id)
            elif run_id is not None:
                self._push_events(run_id)
                if (ended := self._state.ended) is not None:
                    self._store.set_tags(run_id, {"error": mask_credentials(ended.reason)[:1000]})
                    self._store.end(run_id, ended.status, ended.time_ms)
        return run_id

    def _close(self, done: RunFolder, run_id: str) -> None:
        if not self._state.finished:
            self._finish(done, run_id)
        # The saved model's scores are made after the training, so maybe after its run.
        scored = points.find_scores(self.folder)
        if scored is not None and scored.key != self._state.scored:
            if self._store.facts(run_id) is not None:  # else a person has deleted it
                self._store.log_points(run_id, points.final_points(self.folder, self._run, scored))
                self._store.set_tags(run_id, self._closing_tags(done))
            self._remember(scored=scored.key)

    def _finish(self, done: RunFolder, run_id: str) -> None:
        self._push_events(run_id)
        metrics = done.metrics if done.has(METRICS) else {}
        self._store.log_points(run_id, points.closing_points(metrics, self._last_ms))
        self._store.set_tags(run_id, self._closing_tags(done))
        digests = data_digests(self.folder / self._run.get("inputs", {}).get("encoded", "nowhere"))
        self._store.log_datasets(run_id, points.dataset_facts(self._run, digests))
        files = {name: done.read(name) for name in filter(done.has, (METRICS, EVENT_LOG))}
        files[RUN_CONFIG] = mask_credentials(done.read(RUN_CONFIG).decode()).encode()
        self._store.log_files(run_id, files | self._draw())
        self._store.delete_doubles(self._state.training, run_id)
        self._store.end(run_id, "FINISHED", self._last_ms)
        self._remember(finished=True, ended=None)

    def _events(self, after: Place = START) -> tuple[list[dict[str, Any]], Place]:
        """The event log's new lines, all of them when it is finished, and the place after them."""
        done = self._finished
        return read_event_log(self.folder, after) if done is None else (sealed_events(done), after)

    @property
    def _store(self) -> mlflow_sync.MlflowStore:
        return mlflow_sync.prepare_store(self._settings)

    def _closing_tags(self, done: RunFolder) -> dict[str, str]:
        """The description with its results, and what tells the weights from all others."""
        weights = done.manifest["files"].get("model.safetensors")
        place = flatten.folder_name(self.folder, self._settings.project)
        text = flatten.note(self._run, points.results_table(self.folder, self._run), place)
        digest = {"model_sha256": weights["sha256"]} if weights else {}
        return {flatten.NOTE_TAG: text, **digest}

    def _remember(self, **changes: Any) -> None:
        # The training's own thread and the pushing one both come here.
        with self._state_lock:
            self._state = replace(self._state, **changes)
            write_state(self.folder, self._state)

    def _attach(self) -> str | None:
        """The folder's run: the known one, one found in MLflow, or a new one."""
        if self._run:
            return self._state.run_id
        done = self._finished
        if done is None and not (self.folder / RUN_CONFIG).is_file():
            return None
        first = next(iter(self._events()[0]), None)
        if first is None and self._state.ended is None:
            return None
        run = read_json(self.folder / RUN_CONFIG) if done is None else done.run
        training = flatten.training_id(run["identity"]["key"], first) if first else ""
        self._choose_run(training, run)
        run_id = self._state.run_id or self._create(run, training, first)
        facts = None if self._state.finished else self._store.facts(run_id)
        if facts is not None:  # it may have been cut off while it was made, or go on after a stop
            self._store.log_params(run_id, flatten.flat_params(run), facts)
            if self._live:
                self._store.resume(run_id, facts)
        self._run = run
        return run_id

    def _choose_run(self, training: str, run: Mapping[str, Any]) -> None:
        state, store = self._state, self._store
        # A training that failed before its first line got its run before its id.
        same = state.store == store.token and state.training in {training, ""}
        if same and state.run_id and (state.finished or store.facts(state.run_id)):
            if training != state.training:
                store.set_tags(state.run_id, {mlflow_sync.IDENTITY_TAG: training})
                self._remember(training=training)
            return
        run_id, pushed = store.find(training) if training else None, {}
        if run_id:
            score = f"{flatten.selection_name(run)}/{run['task']['metrics'][0]}"
            shown = {"step": "loss/total", "eval": score}
            pushed = {kind: store.last_step(run_id, metric) for kind, metric in shown.items()}
        self._remember(
            store=store.token,
            training=training,
            place=self._settings.place,
            experiment_id=store.experiment_id,
            run_id=run_id,
            pushed=pushed,
            finished=False,
            scored="",
        )

    def _create(
        self, run: Mapping[str, Any], training: str, first: Mapping[str, Any] | None
    ) -> str:
        store = self._store
        start_ms = points.time_ms(first) if first else mlflow_sync.now_ms()
        store.end_abandoned(run["identity"]["key"], run["identity"].get("generation"), start_ms)
        tags = {**flatten.run_tags(run), "folder": self._name, mlflow_sync.IDENTITY_TAG: training}
        tags |= parent_tags(store, run, start_ms)
        run_id = store.create(run["name"], start_ms, {k: v for k, v in tags.items() if v})
        self._remember(run_id=run_id)
        return run_id

    def _push_events(self, run_id: str) -> None:
        events, read = self._events(self._read)
        self._store.set_tags(run_id, flatten.event_tags(events))
        selection = flatten.selection_name(self._run)
        for batch, pushed in points.new_batches(events, selection, self._state.pushed):
            self._store.log_points(run_id, batch)
            self._remember(pushed=pushed)
        self._read = read
        self._last_ms = max([self._last_ms, *map(points.time_ms, events)])

    def _draw(self) -> dict[str, bytes]:
        try:
            return self._pictures(self.folder) if self._pictures else {}
        except Exception as error:
            log.warning("no pictures of %s in MLflow: %s", self.folder.name, kind_and_line(error))
            return {}


def sync_folder(
    folder: Path, settings: TrackingSettings, pictures: Pictures | None = None
) -> str | None:
    """Bring MLflow up to date with a run folder, finished or not.

    Gives the run's id; None when there is nothing to track. Raises UserError where the store cannot
    be reached, or the folder is damaged, or cannot be read or written.
    """
    sync = FolderSync(folder, settings, pictures)

    def push() -> str | None:
        finished = RunFolder(folder)
        if finished.is_there:
            # All of it before anything is pushed: half a run would be no view of its folder.
            finished.check_sizes()
            finished.verify(filter(finished.has, (RUN_CONFIG, EVENT_LOG, METRICS)))
            points.find_scores(folder)
            return sync.close(folder)
        return sync.catch_up()

    remedy = f"nothing is lost, run `{SYNC_COMMAND}` again when it works"
    with faults_told(settings, folder.name, remedy):
        for _ in range(BUSY_ATTEMPTS - 1):
            try:
                return push()
            except Exception as error:
                if not mlflow_sync.is_busy(error):
                    raise
            time.sleep(BUSY_PAUSE)
        return push()
