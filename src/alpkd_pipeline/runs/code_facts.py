"""What Python files import and what they do, remembered until a file changes.

Parsing a few dozen files takes longer than everything else that a start without work has to do.
"""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
        # Syntax trees are dumped differently by different Pythons.
        stamp = [stat.st_mtime_ns, stat.st_size, list(sys.version_info[:2])]
        known = self._known.get(str(path))
        if known is None or known["stamp"] != stamp:
            facts = parse(path)
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
