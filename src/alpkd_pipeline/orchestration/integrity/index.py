"""All that lies in a store, as far as small JSON files tell."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from alpkd_pipeline.orchestration.integrity.findings import Finding
from alpkd_pipeline.orchestration.integrity.lineage import Result
from alpkd_pipeline.orchestration.integrity.places import Entry, entries
from alpkd_pipeline.orchestration.integrity.sealed import UnreadableError, read_sealed
from alpkd_pipeline.runs.manifest import MANIFEST


@dataclass(frozen=True, slots=True)
class Index:
    """What a store holds.

    Attributes:
        store: the folder of all results.
        results: the published folders.
        others: everything else in the places of results.
        unreadable: folders with a manifest that does not hold.
        bytes: of all files that manifests list, by folder.
    """

    store: Path
    results: tuple[Result, ...]
    others: tuple[Entry, ...]
    unreadable: tuple[Finding, ...]
    bytes: dict[Path, int]


def read_index(store: Path) -> Index:
    """Read every manifest of a store.

    Args:
        store: the folder of all results.
    """
    results, others, unreadable, sizes = list[Result](), list[Entry](), list[Finding](), {}
    for entry in entries(store):
        if entry.state != "published":
            others.append(entry)
            continue
        try:
            sealed = read_sealed(entry.path)
        except UnreadableError as error:
            if entry.path.exists():  # else it was renamed or removed just now
                unreadable.append(_unreadable(entry, store, str(error)))
            continue
        results.append(Result.of(entry, sealed, store))
        sizes[entry.path] = sealed.bytes
    return Index(store, tuple(results), tuple(others), tuple(unreadable), sizes)


def _unreadable(entry: Entry, store: Path, why: str) -> Finding:
    return Finding(
        state="damaged",
        kind=entry.kind.name,
        folder=os.path.relpath(entry.path, store),
        what=f"{MANIFEST}: {why}",
        do=f"rm -r {shlex.quote(str(entry.path))}, then the command that made it",
        file=MANIFEST,
    )
