"""Tracking databases: an initialised one to copy, since making one takes seconds; PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from filelock import FileLock

from alpkd_pipeline.tracking.mlflow_sync import prepare_store
from alpkd_pipeline.tracking.settings import tracking_settings


def initialised_database(temporary: pytest.TempPathFactory) -> Path:
    """The database of this test session, made by whichever worker comes first."""
    base = temporary.getbasetemp()
    # Workers have folders of their own below the session's.
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "initialised-database"
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            folder.mkdir(exist_ok=True)
            settings = tracking_settings("sqlite", "template", folder)
            assert settings is not None
            prepare_store(settings)
            (folder / "ready").touch()
    return folder / "mlflow.db"


def free_port() -> int:
    """A port on which nobody listens at the moment."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


class Postgres:
    """A PostgreSQL server for a test.

    Attributes:
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._made = 0

    def new_database(self) -> str:
        """The address of an empty database."""
        self._made += 1
        name = f"test{self._made}"
        self.query(f"create database {name}", "postgres")
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"

    def query(self, sql: str, database: str) -> list[tuple[object, ...]]:
        """The rows of a query, or nothing.

        Args:
            sql: the query.
            database: the name or the address of a database.
        """
        import psycopg

        name = database.rpartition("/")[2]
        place = {"host": "127.0.0.1", "port": self.port, "user": "postgres", "dbname": name}
        with psycopg.connect(**place, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []


def _program(name: str) -> str | None:
    """A program of PostgreSQL's: Debian keeps them out of the path."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = (shutil.which(name, path=str(place)) for place in places)
    return shutil.which(name) or next(filter(None, found), None)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that lives as long as the context; the test is skipped where there is none."""
    initdb, server = _program("initdb"), _program("postgres")
    if not (initdb and server):
        pytest.skip("needs PostgreSQL (Debian: apt-get install postgresql)")
    if find_spec("psycopg") is None:
        pytest.skip("needs psycopg (pip install psycopg[binary])")
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    folder, port = Path(tempfile.mkdtemp(prefix="alpkd-postgres-")), free_port()
    if user:
        shutil.chown(folder, user)
    data = str(folder / "data")
    make = [initdb, "-D", data, "-U", "postgres", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(make, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
    serve = [server, "-D", data, "-p", str(port), "-k", str(folder), "-h", "127.0.0.1", "-F"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(serve, user=user, cwd=folder, stdout=log, stderr=log)
    try:
        found = Postgres(port)
        _wait_until_ready(found)
        yield found
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: Postgres) -> None:
    import psycopg

    for _ in range(300):
        try:
            server.query("select 1", "postgres")
            return
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError("PostgreSQL does not start")
