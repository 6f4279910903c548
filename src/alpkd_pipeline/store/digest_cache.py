"""Hashes of large files, remembered until the file changes.

A model's weights are hashed for every key that depends on them; reading 400 MB at each start
would cost more than everything else together.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.manifest import sha256_file

SETTLED_SECONDS = 2.0
"""A file younger than this may be written again without its size or time showing it."""


def sha256_cached(path: Path, cache_file: Path | None) -> str:
    """The sha256 of a file's bytes, from the cache when the file is the one that was hashed.

    A file counts as the same while its path, size, inode, modification and change times stay.
    Several processes may share a cache: it is replaced as a whole, so that the worst they can do to
    each other is to forget an entry. A cache that is missing, broken or not writable costs time
    only.

    Args:
        path: the file to hash; links are followed.
        cache_file: the JSON file that remembers; None hashes each time.

    Returns:
        64 hex digits.
    """
    if cache_file is None:
        return sha256_file(path)
    real = path.resolve()
    stamp = _stamp(real)
    known = _read(cache_file).get(str(real))
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return str(known["sha256"])
    digest = sha256_file(real)
    if _stamp(real) == stamp and _settled(real):
        _remember(cache_file, str(real), {"stamp": stamp, "sha256": digest})
    return digest


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _settled(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > SETTLED_SECONDS


def _read(cache_file: Path) -> dict[str, Any]:
    try:
        found = json.loads(cache_file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _remember(cache_file: Path, name: str, entry: dict[str, Any]) -> None:
    entries = {**_read(cache_file), name: entry}
    kept = {n: e for n, e in entries.items() if n == name or os.path.exists(n)}
    temporary = None
    try:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own for each writer: threads of one process share a process id.
        handle, temporary = tempfile.mkstemp(prefix=f".{cache_file.name}.", dir=cache_file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file, indent=1, sort_keys=True)
        os.replace(temporary, cache_file)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
