"""Real servers: of tracking, to kill, freeze and start again; of a model."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.databases import Postgres


def sqlite_rows(database: Path, query: str) -> list[tuple[Any, ...]]:
    """What a database itself says, past MLflow."""
    connection = sqlite3.connect(database)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


class Server:
    """`mlflow server` in a process group of its own, so that its workers stop with it.

    Attributes:
        address: where it answers.
        database: its sqlite file; unused with PostgreSQL.
    """

    def __init__(self, folder: Path, port: int, backend: Postgres | None = None) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.database = folder / "mlflow.db"
        self._backend = backend
        self._store = backend.new_database() if backend else f"sqlite:///{self.database}"
        program = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
        places = ["--backend-store-uri", self._store, "--artifacts-destination"]
        self._command = [*program, *places, str(folder / "artifacts")]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            self._command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while not self._healthy():
            assert time.monotonic() < deadline, "the server does not start"
            assert self._process.poll() is None, "the server stopped"
            time.sleep(0.2)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of it."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def kill(self) -> None:
        """Kill it at once."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
        self._process = None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database itself says, past MLflow."""
        if self._backend is not None:
            return self._backend.query(query, self._store)
        return sqlite_rows(self.database, query)

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class Service:
    """`mlflow models serve` of a model, in a process group of its own.

    Attributes:
        address: where it answers.
    """

    def __init__(self, uri: str, tracking: str, port: int, log: Path) -> None:
        self.address = f"http://127.0.0.1:{port}"
        programs = Path(sys.executable).parent  # it calls uvicorn by its name
        place = {"MLFLOW_TRACKING_URI": tracking, "PATH": f"{programs}:{os.environ['PATH']}"}
        program = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", uri]
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                [*program, "--port", str(port), "--env-manager", "local"],
                env={**os.environ, **place},
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        deadline = time.monotonic() + 180
        while self.get("/ping") != 200:
            assert time.monotonic() < deadline, log.read_text()
            assert self._process.poll() is None, log.read_text()
            time.sleep(0.2)

    def get(self, path: str) -> int:
        """The status of a page; 0 while nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return int(error.code)
        except OSError:
            return 0

    def post(self, body: bytes, content: str = "application/json") -> tuple[int, Any]:
        """Status and answer of a request for predictions."""
        request = urllib.request.Request(
            f"{self.address}/invocations", body, {"Content-Type": content}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status), json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return int(error.code), error.read().decode()

    def stop(self) -> None:
        """Stop all of it."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
