"""Where runs are tracked (nowhere, a database, a server), and how far a folder's run is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from alpkd_pipeline.errors import UserError, kind_and_line, mask_credentials, program
from alpkd_pipeline.store.manifest import read_object

SYNC_COMMAND = "kedro sync"
"""The command that fills MLflow from run folders; messages name it."""

SERVERS = ("http", "https", "databricks")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

_SQLITE = re.compile(r"sqlite(?:\+\w+)?:///(?P<path>[^?]+)(?P<options>\?\w+=[^/]*)?")


@dataclass(frozen=True, slots=True)
class TrackingSettings:
    """A tracking store and the experiment in it."""

    # the store's address; it may hold credentials, so it is never printed: see `shown`
    uri: str = field(repr=False)
    experiment: str  # the experiment's name
    # the folder for artifacts when we create the experiment; None leaves that to the server
    artifact_root: Path | None
    project: Path  # the project's folder; paths in tags are relative to it

    @property
    def shown(self) -> str:
        """The address without credentials, for messages and for telling stores apart."""
        return mask_credentials(self.uri)

    @property
    def place(self) -> str:
        """What a folder's state says about where its run is."""
        return f"{self.shown} {self.experiment}"

    @property
    def ui_command(self) -> str:
        """What opens the tracking UI: a command for our own database, else the server's address."""
        if program() == "kedro" and self.database == self.project / "mlflow.db":
            return "make mlflow"
        if self.database is not None:
            return f"mlflow server --backend-store-uri {shlex.quote(self.shown)} --host 127.0.0.1"
        return self.shown

    @property
    def database(self) -> Path | None:
        """The file of an sqlite database; None for every other store."""
        found = _SQLITE.fullmatch(self.uri)
        return Path(unquote(found["path"])) if found else None


def sqlite_address(database: Path) -> str:
    """The address of a database file, as SQLAlchemy writes it: `%`, `?`, `#` and others escaped.

    MLflow makes the folder of what follows `sqlite:///` without reading the escapes, somewhere
    beside the real one; an address that names the driver it passes on as it is.
    """
    plain = database.as_posix()
    escaped = quote(plain, safe=" +/")  # SQLAlchemy itself would take a moment to import
    return f"sqlite{'' if escaped == plain else '+pysqlite'}:///{escaped}"


def _decoded(path: str, project: Path) -> str:
    """The path in an address, unless it leads to a folder only if it is read as a path."""
    decoded = unquote(path)
    if not (project / decoded).parent.exists() and (project / path).parent.exists():
        raise UserError(
            f"parameter 'run.tracking': in an address, {path!r} means {decoded!r}, whose folder"
            f" does not exist; write {quote(path, safe=' +/')!r}"
        )
    return decoded


def tracking_settings(tracking: str, experiment: str, project: Path) -> TrackingSettings | None:
    """Turn the parameters `run.tracking` and `run.experiment` into settings; None for `off`.

    Paths are made absolute: MLflow would read them from the working directory of the moment.
    Raises UserError if it is not off, `sqlite` (`mlflow.db` in the project) or an address.
    """
    project = project.resolve()
    if tracking == "off":
        return None
    uri = "sqlite:///mlflow.db" if tracking == "sqlite" else tracking
    scheme, separator, _ = uri.partition(":")
    kind = scheme.partition("+")[0]
    known = separator and kind in (*SERVERS, *DATABASES)
    if kind == "sqlite" and (found := _SQLITE.fullmatch(uri)):
        database = project / _decoded(found["path"], project)
        address = f"{sqlite_address(database)}{found['options'] or ''}"
        return TrackingSettings(address, experiment, database.parent / "mlartifacts", project)
    if not known or kind == "sqlite":
        raise UserError(
            f"parameter 'run.tracking' = {mask_credentials(tracking)!r}: should be off, sqlite or"
            " the address of a tracking store, such as http://localhost:5000"
            " or sqlite:///folder/mlflow.db (? and % in a path are written %3F and %25)"
        )
    root = project / "mlartifacts" if kind in DATABASES else None
    return TrackingSettings(uri, experiment, root, project)


STATE_FILE = ".mlflow.json"
"""How far a run folder has been pushed to MLflow, in the folder itself, which saves requests; and a
failure that no server has heard of yet. Without it everything else is found again in MLflow."""


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
    training: str = ""  # the training's id; empty while its event log is empty
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
    an empty folder in its old place would look like an unfinished training. Raises OSError then.
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
