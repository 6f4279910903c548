"""How far a run folder has been pushed to MLflow: `.mlflow.json` in the folder.

It saves requests and remembers a failure that no server has heard of yet. Without it everything is
found again in MLflow, and points that are pushed a second time change nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from alpkd_pipeline.errors import UserError, kind_and_line
from alpkd_pipeline.store.manifest import read_object
from alpkd_pipeline.tracking.settings import TrackingSettings

STATE_FILE = ".mlflow.json"


@dataclass(frozen=True, slots=True)
class Ended:
    """A training that stopped before its end: MLflow's word, why, and when in ms since 1970."""

    status: str
    reason: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class SyncState:
    """What is known of a folder's MLflow run."""

    store: str = ""  # which tracking store and experiment this is about
    training: str = ""  # the training's id; empty while its journal is empty
    place: str = ""  # the store's address and the experiment's name
    experiment_id: str = ""
    run_id: str | None = None
    # the last step pushed of each kind of event
    pushed: Mapping[str, int] = field(default_factory=dict)
    finished: bool = False  # everything is there and the run is FINISHED
    scored: str = ""  # `Scored.key` of the scores that are there
    ended: Ended | None = None  # set when the training stopped before its end


def read_state(folder: Path) -> SyncState:
    """The state of a folder; an empty one where there is none or it cannot be read."""
    values = read_object(folder / STATE_FILE)
    ended = values.pop("ended", None)
    try:
        return SyncState(**values, ended=Ended(**ended) if ended else None)
    except TypeError:
        return SyncState()


def write_state(folder: Path, state: SyncState) -> None:
    """Replace the state of a folder in one step.

    The folder is never made: it may have been published under its final name a moment ago, and
    an empty folder in its old place would look like an unfinished training.

    Raises:
        OSError: the folder is gone or cannot be written.
    """
    temporary = folder / f"{STATE_FILE}.tmp"
    temporary.write_text(json.dumps(asdict(state), indent=1, sort_keys=True), "utf-8")
    os.replace(temporary, folder / STATE_FILE)


@contextmanager
def faults_told(settings: TrackingSettings, what: str, remedy: str) -> Iterator[None]:
    """A context in which a store that fails is one line for the user: `what` did not get there."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{what} did not get into MLflow at {settings.shown}: {store_fault(error)}; {remedy}"
        ) from None


def store_fault(error: Exception) -> str:
    """Why a store did not answer: `Connection refused`, not the four messages wrapped round it."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    outside = isinstance(inner, OSError | sqlite3.Error)
    return kind_and_line(inner if outside else error)
