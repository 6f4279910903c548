"""Where runs are tracked: off, a database in the project, or a server."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from alpkd_pipeline.errors import UserError, mask_credentials, program

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

    Raises:
        UserError: it is not off, `sqlite` (`mlflow.db` in the project) or the address of a store.
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
