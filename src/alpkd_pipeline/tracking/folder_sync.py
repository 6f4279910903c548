"""Fills one MLflow run from one run folder, as often as wanted: twice is the same as once."""

from __future__ import annotations

import json
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from alpkd_pipeline.errors import UserError, mask_credentials
from alpkd_pipeline.store.finished import FinishedFolder
from alpkd_pipeline.store.journal import JOURNAL, START, Place, read_journal, sealed_events
from alpkd_pipeline.store.manifest import lock_file, read_json
from alpkd_pipeline.tracking.flatten import (
    NOTE_TAG,
    event_tags,
    flat_params,
    model_tags,
    note,
    run_tags,
    selection_name,
    training_id,
)
from alpkd_pipeline.tracking.group import parent_tags
from alpkd_pipeline.tracking.mlflow_sync import IDENTITY_TAG, MlflowStore, is_busy, prepare_store
from alpkd_pipeline.tracking.points import (
    closing_points,
    dataset_facts,
    new_batches,
    split_digests,
    time_ms,
)
from alpkd_pipeline.tracking.results import final_points, find_scores, results_table
from alpkd_pipeline.tracking.settings import SYNC_COMMAND, TrackingSettings
from alpkd_pipeline.tracking.sync_state import Ended, one_line, read_state, store_fault, write_state

log = logging.getLogger(__name__)

RUN = "run.json"
METRICS = "metrics.json"
WORK_SUFFIX = ".work"

LOCK_TIMEOUT = 15.0
"""Seconds to wait for another process that is pushing the same folder."""

BUSY_ATTEMPTS, BUSY_PAUSE = 5, 1.0
"""How often, and after how many seconds, a busy database is tried again."""

Pictures = Callable[[Path], dict[str, bytes]]
"""Draws the pictures of a finished run folder: file name -> bytes."""


class FolderSync:
    """One run folder and its MLflow run.

    The run is found by the training's id, a tag that follows from run.json and the journal's
    first line. So the files alone decide: a folder that was copied, whose state was lost, or
    whose training was killed and resumed goes on in the run it had.

    Args:
        folder: the run folder, finished or at work.
        settings: where to push to.
        pictures: draws pictures of the finished folder.
        live: whether the training runs now, so that the run's status should be RUNNING.
    """

    def __init__(
        self,
        folder: Path,
        settings: TrackingSettings,
        pictures: Pictures | None = None,
        *,
        live: bool = False,
    ) -> None:
        self.folder = folder
        self._settings = settings
        self._pictures = pictures
        self._live = live
        self._state = read_state(folder)
        self._state_lock = threading.Lock()
        self._read = START
        self._finished: FinishedFolder | None = None
        self._last_ms = 0
        self._attached: MlflowStore | None = None

    @property
    def ended(self) -> bool:
        """Whether the training is known to have stopped before its end."""
        return self._state.ended is not None

    def note_end(self, ended: Ended | None) -> None:
        """Remember in the folder how the training stopped, or that it goes on."""
        if ended != self._state.ended and self.folder.is_dir():
            self._remember(ended=ended)

    def catch_up(self) -> str | None:
        """Push the journal's new lines.

        Returns:
            The run's id; None as long as the training has not begun.
        """
        if not self.folder.is_dir():
            return None  # not begun, or published a moment ago
        with self._held():
            run_id = self._attach()
            if run_id is not None:
                self._push_events(run_id)
        return run_id

    def end(self) -> str | None:
        """Push what is there and give the run the status that `note_end` was told."""
        ended = self._state.ended
        if ended is None:
            return None
        with self._held():
            run_id = self._attach()
            if run_id is None:
                return None
            self._push_events(run_id)
            self._store.set_tags(run_id, {"error": mask_credentials(ended.reason)[:1000]})
            self._store.end(run_id, ended.status, ended.time_ms)
        return run_id

    def close(self, final: Path) -> str | None:
        """Push everything of a published folder and set the run's status to FINISHED.

        Args:
            final: where the folder is now.

        Returns:
            The run's id; None when the folder holds no training.
        """
        self.folder, self._finished = final, FinishedFolder(final)
        with self._held():
            run_id = self._attach()
            if run_id is None:
                return None
            run = self._finished.json(RUN)
            if not self._state.finished:
                self._finish(run_id, run)
            self._push_scores(run_id, run)
        return run_id

    def _json(self, name: str) -> Any:
        done = self._finished
        return read_json(self.folder / name) if done is None else done.json(name)

    def _events(self, after: Place = START) -> tuple[list[dict[str, Any]], Place]:
        """The journal's new lines, all of them when it is finished, and the place after them."""
        done = self._finished
        return read_journal(self.folder, after) if done is None else (sealed_events(done), after)

    @property
    def _sealed(self) -> FinishedFolder:
        assert self._finished is not None
        return self._finished

    def _finish(self, run_id: str, run: Mapping[str, Any]) -> None:
        self._push_events(run_id)
        metrics = self._sealed.json(METRICS) if self._sealed.has(METRICS) else {}
        self._store.log_points(run_id, closing_points(metrics, self._last_ms))
        self._store.set_tags(run_id, self._closing_tags(run))
        digests = split_digests(self.folder, run)
        self._store.log_datasets(run_id, dataset_facts(run, digests))
        self._push_files(run_id, metrics)
        self._store.delete_doubles(self._state.training, run_id)
        self._store.end(run_id, "FINISHED", self._last_ms)
        self._remember(finished=True, ended=None)

    def _closing_tags(self, run: Mapping[str, Any]) -> dict[str, str]:
        tags = model_tags(self.folder, self._sealed.manifest, self._settings.project)
        text = note(run, results_table(self.folder, run), tags["model_path"])
        return {**tags, NOTE_TAG: text}

    def _push_scores(self, run_id: str, run: Mapping[str, Any]) -> None:
        """The saved model's scores: they are made after the training, so maybe after its run."""
        scored = find_scores(self.folder)
        if scored is None or scored.key == self._state.scored:
            return
        if self._store.facts(run_id) is not None:  # else a person has deleted it
            self._store.log_points(run_id, final_points(self.folder, run, scored))
            self._store.set_tags(run_id, self._closing_tags(run))
        self._remember(scored=scored.key)

    @property
    def _store(self) -> MlflowStore:
        assert self._attached is not None
        return self._attached

    def _held(self) -> FileLock:
        name = self.folder.name.removesuffix(WORK_SUFFIX)
        where = lock_file(self.folder.with_name(f"{name}.mlflow"))
        where.parent.mkdir(exist_ok=True)
        return FileLock(where, timeout=LOCK_TIMEOUT)

    def _remember(self, **changes: Any) -> None:
        # The training's own thread and the pushing one both come here.
        with self._state_lock:
            self._state = replace(self._state, **changes)
            write_state(self.folder, self._state)

    def _attach(self) -> str | None:
        """The folder's run: the known one, one found in MLflow, or a new one."""
        if self._attached is not None:
            return self._state.run_id
        if self._finished is None and not (self.folder / RUN).is_file():
            return None
        first = next(iter(self._events()[0]), None)
        if first is None and not self.ended:
            return None
        run = self._json(RUN)
        training = training_id(run["identity"]["key"], first) if first else ""
        store = prepare_store(self._settings)
        self._choose_run(store, training)
        run_id = self._state.run_id or self._create(store, run, training, first)
        self._complete(store, run_id, run)
        self._attached = store
        return run_id

    def _choose_run(self, store: MlflowStore, training: str) -> None:
        state = self._state
        # A training that failed before its first line got its run before its id.
        same = state.store == store.token and state.training in {training, ""}
        if same and state.run_id and (state.finished or store.facts(state.run_id)):
            if training != state.training:
                store.set_tags(state.run_id, {IDENTITY_TAG: training})
                self._remember(training=training)
            return
        run_id = store.find(training) if training else None
        pushed = self._pushed_steps(store, run_id) if run_id else {}
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

    def _pushed_steps(self, store: MlflowStore, run_id: str) -> dict[str, int]:
        selection = selection_name(self._json(RUN))
        return {
            "step": store.last_step(run_id, "loss.total"),
            "eval": store.last_step(run_id, f"{selection}.epoch"),
            "epoch": store.last_step(run_id, "per_epoch.seconds"),
        }

    def _create(
        self,
        store: MlflowStore,
        run: Mapping[str, Any],
        training: str,
        first: Mapping[str, Any] | None,
    ) -> str:
        start_ms = time_ms(first) if first else _now_ms()
        key, generation = run["identity"]["key"], run["identity"].get("generation")
        store.end_abandoned(key, generation, start_ms)
        folder = self.folder.name.removesuffix(WORK_SUFFIX)
        tags = {**run_tags(run), "folder": folder, IDENTITY_TAG: training}
        tags |= parent_tags(store, run, start_ms)
        run_id = store.create(run["name"], start_ms, {k: v for k, v in tags.items() if v})
        self._remember(run_id=run_id)
        return run_id

    def _complete(self, store: MlflowStore, run_id: str, run: Mapping[str, Any]) -> None:
        """Add what a run lacks: one that was cut off while it was made, or goes on after a stop."""
        facts = store.facts(run_id) if not self._state.finished else None
        if facts is None:
            return
        params = flat_params(run)
        store.log_params(run_id, {n: v for n, v in params.items() if n not in facts.params})
        if self._live:
            store.resume(run_id)
            if "error" in facts.tags:
                store.delete_tag(run_id, "error")

    def _push_events(self, run_id: str) -> None:
        events, read = self._events(self._read)
        if tags := event_tags(events):
            self._store.set_tags(run_id, tags)
        selection = selection_name(self._json(RUN)) if events else ""
        for batch in new_batches(events, selection, self._state.pushed):
            self._store.log_points(run_id, batch.points)
            self._remember(pushed=batch.pushed)
        self._read = read
        self._last_ms = max([self._last_ms, *map(time_ms, events)])

    def _push_files(self, run_id: str, metrics: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            text = self._sealed.read(RUN).decode()
            (folder / RUN).write_text(mask_credentials(text), "utf-8")
            for file in filter(self._sealed.has, (METRICS, JOURNAL)):
                (folder / file).write_bytes(self._sealed.read(file))
            if metrics.get("attention"):
                attention = json.dumps(metrics["attention"], indent=1)
                (folder / "attention.json").write_text(attention, "utf-8")
            for file, content in self._draw().items():
                (folder / file).write_bytes(content)
            self._store.log_files(run_id, folder)

    def _draw(self) -> dict[str, bytes]:
        try:
            return self._pictures(self.folder) if self._pictures else {}
        except Exception as error:
            log.warning("no pictures of %s in MLflow: %s", self.folder.name, one_line(error))
            return {}


def sync_folder(
    folder: Path, settings: TrackingSettings, pictures: Pictures | None = None
) -> str | None:
    """Bring MLflow up to date with a run folder, finished or not.

    Args:
        folder: the run folder.
        settings: where to push to.
        pictures: draws pictures of the finished folder.

    Returns:
        The run's id; None when there is nothing to track.

    Raises:
        UserError: the store cannot be reached, or the folder is damaged, or cannot be read or
            written.
    """
    sync = FolderSync(folder, settings, pictures)

    def push() -> str | None:
        finished = FinishedFolder(folder)
        if finished.is_there:
            # All of it before anything is pushed: half a run would be no view of its folder.
            finished.check_sizes()
            finished.verify(filter(finished.has, (RUN, JOURNAL, METRICS)))
            find_scores(folder)
            return sync.close(folder)
        return sync.end() if sync.ended else sync.catch_up()

    try:
        return _patiently(push)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{folder.name} did not get into MLflow at {settings.shown}: {store_fault(error)};"
            f" nothing is lost, run `{SYNC_COMMAND}` again when it works"
        ) from None


def _patiently(push: Callable[[], str | None]) -> str | None:
    for _ in range(BUSY_ATTEMPTS - 1):
        try:
            return push()
        except Exception as error:
            if not is_busy(error):
                raise
        time.sleep(BUSY_PAUSE)
    return push()


def _now_ms() -> int:
    return round(time.time() * 1000)
