"""What Python files mean, remembered until a file changes.

Parsing a few dozen files takes longer than everything else that a start without work has to do.
"""

from __future__ import annotations

import json
import marshal
import struct
import sys
from dataclasses import asdict
from functools import lru_cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.manifest import write_json
from alpkd_pipeline.runs.syntax import FileSyntax, Statement, read_syntax

FORMAT = 2
"""Rises with what `syntax` reads of a file."""


class CodeFacts:
    """What files mean, from memory, from a cache file, or from parsing them."""

    def __init__(self, cache_file: Path | None) -> None:
        """Read what is remembered.

        Args:
            cache_file: a JSON file; None parses each time. A broken one costs time only.
        """
        self._cache_file = cache_file
        self._known = _read(cache_file)
        self._new = False

    def of(self, path: Path, module: str) -> FileSyntax:
        """A file as it is now, the file of a dotted name."""
        stat = path.stat()
        # Editors and copies may keep size and time of modification, not inode and time of change.
        # Syntax trees are dumped differently by different Pythons.
        times = [stat.st_mtime_ns, stat.st_ctime_ns]
        python = list(sys.version_info[:2])
        stamp = [FORMAT, module, *times, stat.st_size, stat.st_ino, python]
        known = self._known.get(str(path))
        found = _remembered(known["syntax"]) if known and known["stamp"] == stamp else None
        if found is None:
            found = _parse(path, module, repr(stamp))
            drop_stale_bytecode(path)
            self._known[str(path)] = {"stamp": stamp, "syntax": asdict(found)}
            self._new = True
        return found

    def save(self) -> None:
        """Write the cache file if something new was learnt."""
        if self._new and self._cache_file is not None:
            try:
                write_json(self._cache_file, self._known)
            except OSError:  # not writable: parse again next time
                return
            self._new = False


@lru_cache(maxsize=4096)  # for one process with several stores
def _parse(path: Path, module: str, stamp: str) -> FileSyntax:
    return read_syntax(path.read_text("utf-8"), module, is_package=path.stem == "__init__")


def _read(cache_file: Path | None) -> dict[str, Any]:
    try:
        found = json.loads(cache_file.read_text("utf-8")) if cache_file else {}
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {n: e for n, e in entries if isinstance(e, dict) and set(e) == {"stamp", "syntax"}}


def _remembered(found: Any) -> FileSyntax | None:
    try:
        statements = [
            Statement(tuple(s["names"]), s["meaning"], tuple(s["refers_to"]), s["loose"])
            for s in found["statements"]
        ]
        return FileSyntax(dict(found["imports"]), tuple(statements))
    except (TypeError, KeyError, ValueError):
        return None


def drop_stale_bytecode(path: Path) -> None:
    """Remove what Python compiled of a file before its last change, if Python would still run it.

    Python goes by size and seconds of modification alone: the key would be that of the new code,
    and the result that of the old.

    Args:
        path: a source file.

    Raises:
        UserError: this process has imported the old code already.
    """
    compiled, stat = Path(cache_from_source(str(path))), path.stat()
    try:
        data = compiled.read_bytes()
        taken = data[4:8] == bytes(4) and data[8:16] == struct.pack(
            "<II", int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF
        )
        if not taken or marshal.loads(data[16:]) == compile(
            path.read_bytes(), str(path), "exec", dont_inherit=True
        ):
            return
        compiled.unlink()
    except (OSError, ValueError, EOFError, TypeError):
        return  # there is none, or none that Python would take
    names = [getattr(module, "__dict__", {}).get("__file__") for module in [*sys.modules.values()]]
    if str(path) in names:
        raise UserError(
            f"{path} was changed without a trace in its size and time, so that Python ran what it"
            " had compiled before: run the same command again"
        )
