"""The records of sweeps and searches: no hash is kept of them, but they must be readable."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.findings import Count, Finding
from alpkd_pipeline.orchestration.integrity.places import RECORDS

KIND = "records"


def check_records(store: Path, count: Count) -> Iterator[Finding]:
    """Look at the records of a store.

    Args:
        store: the folder of all results.
        count: is added to.
    """
    for place in RECORDS:
        files = sorted((store / place).glob("[!.]*.json")) + sorted((store / place).glob("*.db"))
        count.folders += bool(files)
        for path in files:
            why = _database_fault(path) if path.suffix == ".db" else _json_fault(path)
            try:
                count.bytes += path.stat().st_size
            except FileNotFoundError:
                continue  # removed meanwhile
            count.files += 1
            if why:
                yield Finding("damaged", KIND, place, f"{path.name} {why}", _do(path), path.name)


def _json_fault(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    except ValueError:
        found = None
    return "" if isinstance(found, dict) else "is not a record any more"


def _database_fault(path: Path) -> str:
    """What SQLite thinks of the database of searches; only read, also while a search writes."""
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5)
        try:
            (said,) = connection.execute("pragma quick_check(1)").fetchone()
        finally:
            connection.close()
    except sqlite3.OperationalError as error:
        return "" if "locked" in str(error) else f"cannot be read ({error})"
    except sqlite3.DatabaseError as error:
        return f"is damaged ({error})"
    return "" if said == "ok" else f"is damaged ({' '.join(str(said).split())})"


def _do(path: Path) -> str:
    if path.suffix == ".db":
        return "put a backup back, or delete it: a search begins again, finished trials are found"
    return "put a backup back, or delete it: the same command writes a new one"
