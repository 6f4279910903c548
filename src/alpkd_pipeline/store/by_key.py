"""Finished results by their key, whatever their folders are called.

One model may be known by two names, and people rename and copy folders: only the key, which the
manifest holds, says what a result is.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from alpkd_pipeline.store.journal import JOURNAL
from alpkd_pipeline.store.manifest import MANIFEST, is_complete, read_manifest, read_object
from alpkd_pipeline.store.run_folder import RUN_CONFIG, may_be_result

MADE = (RUN_CONFIG, JOURNAL, "metrics.json", "latency.json")
"""Files that say how a result was made: by names and times they differ from making to making."""

UNSURE_NS = 100_000_000
"""A folder whose last change is younger may change again without its time showing it."""


def find_result(expected: Path, key: str) -> Path | None:
    """The folder of a finished result; None if there is none.

    The expected folder is looked at first, then those whose names end with the key's first
    digits. Only then the manifests of all others beside them are read, once in a process.
    """
    return expected if is_complete(expected, key) else find_in(expected.parent, key)


def find_in(place: Path, key: str) -> Path | None:
    """The folder of a finished result in a place; None if there is none."""
    folders = _PLACES.setdefault(place, _Place(place)).candidates(key)
    return next((folder for folder in folders if is_complete(folder, key)), None)


def free_place(expected: Path, key: str) -> Path:
    """Where a result may be published: at its expected path, unless another one lies there."""
    end, number, path = f"-{key[:8]}", 1, expected
    while (read_manifest(path) or {}).get("key", key) != key:
        number += 1
        path = expected.with_name(f"{expected.name.removesuffix(end)}-{number}{end}")
    return path


def same_result(one: Path, other: Path) -> bool:
    """Whether two folders of one key hold the same, but for how it was made.

    A folder that is gone, or whose manifest does not hold, contradicts nothing.
    """
    manifests = [found for found in map(read_manifest, (one, other)) if found]
    said = [
        {name: file["sha256"] for name, file in found["files"].items() if name not in MADE}
        for found in manifests
    ]
    return len(said) < 2 or said[0] == said[1]


class _Place:
    """What lies in a place: listed again when it changes, each manifest read once and at need."""

    def __init__(self, path: Path) -> None:
        self._path, self._stamp = path, -1
        # By name and inode, which changes when a folder is replaced; empty: not known yet.
        self._keys: dict[tuple[str, int], str] = {}
        self._by_end: dict[str, list[str]] = {}
        self._by_key: dict[str, list[str]] | None = None

    def candidates(self, key: str) -> Iterator[Path]:
        """Folders that may hold the result of a key, the likely ones first."""
        self._list()
        yield from (self._path / name for name in self._by_end.get(key[:8], ()))
        yield from (self._path / name for name in self._index().get(key, ()))

    def _list(self) -> None:
        try:
            stamp = self._path.stat().st_mtime_ns
            if stamp == self._stamp:
                return
            with os.scandir(self._path) as found:
                entries = [
                    (e.name, e.inode()) for e in found if may_be_result(e.name) and e.is_dir()
                ]
        except OSError:
            stamp, entries = -1, []
        self._keys = {entry: self._keys.get(entry, "") for entry in sorted(entries)}
        self._by_key, self._by_end = None, defaultdict(list)
        for name, _ in self._keys:
            self._by_end[name[-8:]].append(name)
        self._stamp = stamp if time.time_ns() - stamp > UNSURE_NS else -1

    def _index(self) -> dict[str, list[str]]:
        if self._by_key is None:
            by_key: dict[str, list[str]] = defaultdict(list)
            for (name, inode), key in self._keys.items():
                if not key:  # none yet: it may be a copy that is being made
                    said = read_object(self._path / name / MANIFEST)
                    key = self._keys[name, inode] = str(said.get("key", ""))
                by_key[key].append(name)
            if "" in by_key:
                return by_key
            self._by_key = by_key
        return self._by_key


_PLACES: dict[Path, _Place] = {}
