"""What sweeps and searches wrote down about themselves, for the comparison."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.manifest import read_json

log = logging.getLogger(__name__)

SWEEPS = "08_reporting/sweeps"
SEARCHES = "08_reporting/searches"

LATEST = "latest"
"""Stands for the sweep that was started last."""

Record = Mapping[str, Any]


def sweep_records(store: Path) -> list[Record]:
    """The records of all sweeps, the oldest first.

    Args:
        store: the folder of all results.
    """
    return _records(store / SWEEPS, "cells")


def search_records(store: Path) -> list[Record]:
    """The records of all searches for hyper-parameters, the oldest first.

    Args:
        store: the folder of all results.
    """
    return _records(store / SEARCHES, "studies")


def cell_keys(records: Iterable[Record]) -> frozenset[str]:
    """The keys of the students that sweeps asked for."""
    return frozenset(str(cell["key"]) for record in records for cell in record["cells"])


def chosen_sweep(records: Sequence[Record], asked: str) -> Record:
    """The one sweep that a person means.

    Args:
        records: of `sweep_records`.
        asked: an id, the beginning of one, or `latest`.

    Raises:
        UserError: there is no such sweep, or more than one.
    """
    if asked == LATEST and records:
        return records[-1]
    known = {str(record["id"]): record for record in records}
    fitting = [asked] if asked in known else [name for name in known if name.startswith(asked)]
    if len(fitting) == 1:
        return known[fitting[0]]
    problem = "no sweep is called so" if not fitting else f"that fits {', '.join(fitting)}"
    there = f"there are {', '.join(known)}" if known else "the store has no sweep yet"
    raise UserError(f"parameter 'compare.sweep' = '{asked}': {problem}; {there}")


def _records(folder: Path, content: str) -> list[Record]:
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            record = read_json(path)
            found.append({**record, "id": record.get("id", path.stem), content: record[content]})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s is left out, it cannot be read: %r", path, error)
    return sorted(found, key=lambda record: (str(record.get("started")), str(record["id"])))
