"""How far a run folder has been pushed to MLflow: `.mlflow.json` in the folder.

It saves requests and remembers a failure that no server has heard of yet. Without it everything is
found again in MLflow, and points that are pushed a second time change nothing.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import mask_credentials

STATE_FILE = ".mlflow.json"


@dataclass(frozen=True, slots=True)
class Ended:
    """A training that stopped before its end.

    Attributes:
        status: MLflow's word, `FAILED` or `KILLED`.
        reason: one line for people.
        time_ms: when, in milliseconds since the epoch.
    """

    status: str
    reason: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class SyncState:
    """What is known of a folder's MLflow run.

    Attributes:
        store: which tracking store and experiment this is about.
        training: the training's id; empty while its journal is empty.
        place: the store's address and the experiment's name.
        experiment_id: the experiment's number in MLflow's addresses.
        run_id: the MLflow run.
        pushed: the last step pushed of each kind of event.
        finished: everything is there and the run is FINISHED.
        scored: `Scored.key` of the scores that are there.
        ended: set when the training stopped before its end.
    """

    store: str = ""
    training: str = ""
    place: str = ""
    experiment_id: str = ""
    run_id: str | None = None
    pushed: Mapping[str, int] = field(default_factory=dict)
    finished: bool = False
    scored: str = ""
    ended: Ended | None = None


def read_state(folder: Path) -> SyncState:
    """The state of a folder; an empty one where there is none or it cannot be read."""
    try:
        values = json.loads((folder / STATE_FILE).read_text("utf-8"))
        ended = values.pop("ended", None)
        return SyncState(**values, ended=Ended(**ended) if ended else None)
    except (OSError, ValueError, TypeError, AttributeError):
        return SyncState()


def write_state(folder: Path, state: SyncState) -> None:
    """Replace the state of a folder in one step.

    The folder is never made: it may have been published under its final name a moment ago, and
    an empty folder in its old place would look like an unfinished training.

    Raises:
        OSError: the folder is gone or cannot be written.
    """
    values: dict[str, Any] = asdict(state)
    temporary = folder / f"{STATE_FILE}.tmp"
    temporary.write_text(json.dumps(values, indent=1, sort_keys=True), "utf-8")
    os.replace(temporary, folder / STATE_FILE)


def one_line(error: BaseException) -> str:
    """An error's kind and first line, without credentials."""
    first = next(iter(str(error).strip().splitlines()), "")
    kind = type(error).__name__
    return mask_credentials(f"{kind}: {first}" if first else kind)[:300]


def store_fault(error: Exception) -> str:
    """Why a store did not answer: `Connection refused`, not the four messages wrapped round it."""
    inner: BaseException = error
    while (cause := inner.__cause__ or inner.__context__) is not None:
        inner = cause
    outside = isinstance(inner, OSError | sqlite3.Error)
    return one_line(inner if outside else error)
