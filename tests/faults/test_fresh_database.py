"""Sixteen processes that all begin with one tracking database that does not exist yet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.databases import postgres
from tests.faults.forked import fork
from tests.faults.record import Tally, counted, times
from tests.servers import sqlite_rows

from alpkd_pipeline.tracking.points import Point
from alpkd_pipeline.tracking.settings import tracking_settings

PROCESSES, RUNS, POINTS = 16, 3, 50
ROUNDS = times(2)

Query = Callable[[str], list[tuple[Any, ...]]]


def write_runs(tracking: str, project: Path, go: Path) -> None:
    """Wait for the others, then make runs with points."""
    from alpkd_pipeline.tracking.mlflow_sync import prepare_store

    settings = tracking_settings(tracking, "alpkd", project)
    assert settings is not None
    while not go.exists():
        time.sleep(0.001)
    store = prepare_store(settings)
    points = [Point(f"m{n}", float(n), 1, 1) for n in range(POINTS)]
    for i in range(RUNS):
        run_id = store.create(f"{os.getpid()}-{i}", 1, {"stage": "student"})
        store.log_points(run_id, points)
        store.end(run_id, "FINISHED", 2)


def at_once(tracking: str, folder: Path, query: Query, tally: Tally) -> None:
    """Start them, and count what is in the database afterwards."""
    folder.mkdir(parents=True)
    go = folder / "go"
    children = [
        fork(lambda: write_runs(tracking, folder, go), folder / f"{i}.log")
        for i in range(PROCESSES)
    ]
    time.sleep(0.5)
    go.touch()
    for child in children:
        code = child.wait(240)
        tally.count(code == 0, f"a process died: {child.said[-300:]}")
    runs = query("select count(*) from runs where status = 'FINISHED'")[0][0]
    points = query("select count(*) from metrics")[0][0]
    named = query("select count(*) from experiments where name = 'alpkd'")[0][0]
    wanted = (PROCESSES * RUNS, PROCESSES * RUNS * POINTS, 1)
    if (runs, points, named) != wanted:
        tally.lost.append(f"runs, points, experiments: {(runs, points, named)} of {wanted}")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Forks begin with MLflow imported, and so come to the database at the same moment."""
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


def test_sqlite(tmp_path: Path) -> None:
    fault = f"{PROCESSES} processes on one fresh sqlite database"
    with counted("fresh-sqlite", fault, "8") as tally:
        for i in range(ROUNDS):
            folder = tmp_path / str(i)

            def query(sql: str, folder: Path = folder) -> list[tuple[Any, ...]]:
                return sqlite_rows(folder / "mlflow.db", sql)

            at_once("sqlite", folder, query, tally)
        tally.note = f"{ROUNDS} databases, each process {RUNS} runs of {POINTS} points, all there"


def test_postgresql(tmp_path: Path) -> None:
    fault = f"{PROCESSES} processes on one fresh PostgreSQL database"
    with postgres() as server, counted("fresh-postgresql", fault, "8") as tally:
        for i in range(ROUNDS):
            address = server.new_database()

            def query(sql: str, address: str = address) -> list[tuple[Any, ...]]:
                return server.query(sql, address)

            at_once(address, tmp_path / str(i), query, tally)
