"""Comparisons that say nothing that a newer one does not say."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator

from alpkd_pipeline.orchestration.integrity.index import Index
from alpkd_pipeline.orchestration.integrity.lineage import Result
from alpkd_pipeline.orchestration.integrity.places import COMPARISON
from alpkd_pipeline.runs.finished import DamagedError, FinishedFolder, written_ns


def outdated(index: Index) -> Iterator[Result]:
    """Older comparisons with the parameters of the newest one, and without students of their own.

    An older one may hold the only row of a student that was deleted since: then it stays.

    Args:
        index: what the store holds.
    """
    alike: dict[str, list[Result]] = defaultdict(list)
    for result in index.results:
        if result.entry.kind.name == COMPARISON and result.run:
            alike[json.dumps(result.run.get("params"), sort_keys=True)].append(result)
    for same in alike.values():
        newest, *older = sorted(same, key=_written, reverse=True)
        has = _students(newest) or set()
        for old in older:
            had = _students(old)
            if had is not None and had <= has:
                yield old


def _written(result: Result) -> int:
    return written_ns(result.entry.path)


def _students(result: Result) -> set[str] | None:
    """The paths of the students in its table; None if it cannot be read."""
    try:
        rows = FinishedFolder(result.entry.path).json("comparison.json")["students"]
        return {str(row["path"]) for row in rows}
    except (DamagedError, OSError, ValueError, KeyError, TypeError):
        return None
