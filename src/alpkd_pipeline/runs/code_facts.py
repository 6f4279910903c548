"""What Python files import and what they do, remembered until a file changes.

Parsing a few dozen files takes longer than everything else that a start without work has to do.
"""

from __future__ import annotations

import ast
import hashlib
import json
import marshal
import struct
import sys
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.manifest import write_json

FIELDS = {"stamp", "imports", "meaning"}


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One file: the dotted names it imports, and a hash of its code."""

    imports: tuple[str, ...]
    meaning: str


class CodeFacts:
    """Facts about files, from memory, from a cache file, or from parsing them."""

    def __init__(self, cache_file: Path | None) -> None:
        """Read what is remembered.

        Args:
            cache_file: a JSON file; None parses each time. A broken one costs time only.
        """
        self._cache_file = cache_file
        self._known = _read(cache_file)
        self._new = False

    def of(self, path: Path) -> FileFacts:
        """The facts about a file as it is now."""
        stat = path.stat()
        # Editors and copies may keep size and time of modification, not inode and time of change.
        # Syntax trees are dumped differently by different Pythons.
        times = [stat.st_mtime_ns, stat.st_ctime_ns]
        stamp = [*times, stat.st_size, stat.st_ino, list(sys.version_info[:2])]
        known = self._known.get(str(path))
        if known is None or known["stamp"] != stamp:
            facts = parse(path)
            drop_stale_bytecode(path)
            known = {"stamp": stamp, "imports": list(facts.imports), "meaning": facts.meaning}
            self._known[str(path)] = known
            self._new = True
        return FileFacts(tuple(known["imports"]), known["meaning"])

    def save(self) -> None:
        """Write the cache file if something new was learnt."""
        if self._new and self._cache_file is not None:
            try:
                write_json(self._cache_file, self._known)
            except OSError:  # not writable: parse again next time
                return
            self._new = False


def _read(cache_file: Path | None) -> dict[str, Any]:
    try:
        found = json.loads(cache_file.read_text("utf-8")) if cache_file else {}
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
    return {name: e for name, e in entries if isinstance(e, dict) and set(e) == FIELDS}


def parse(path: Path) -> FileFacts:
    """Read a file's facts from its syntax tree; comments, docstrings and layout do not count."""
    tree = ast.parse(path.read_text("utf-8"))
    imports: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import module` and `from module import name` look the same here.
            imports.add(node.module)
            imports.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    _drop_docstring(tree)
    return FileFacts(
        imports=tuple(sorted(imports)), meaning=hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    )


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


def _drop_docstring(
    node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
) -> None:
    first = node.body[0] if node.body else None
    if (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    ):
        node.body = node.body[1:] or [ast.Pass()]
