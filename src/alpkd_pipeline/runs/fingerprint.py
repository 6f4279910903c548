"""Keys: short names for everything that a result depends on.

A stage's key is the hash of its parameters, its data, its upstream keys, the code it runs and the
versions of the libraries that compute. Equal keys mean: the same result, not to be made again.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGE_ROOT = Path(__file__).resolve().parents[1]
PACKAGE = PACKAGE_ROOT.name


def key_of(facts: Any) -> str:
    """The sha256 of JSON-ready facts, independent of the order of dictionaries."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions without local parts: CPU and CUDA builds of a release are one version."""
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "missing"


def code_digest(entries: Iterable[str], leave_out: Iterable[str] = ()) -> str:
    """A hash of what some modules do, themselves and all project modules they import.

    Comments, docstrings and layout do not count, and neither does anything outside the package.

    Args:
        entries: dotted names of modules of this package.
        leave_out: modules that do not change a result (bookkeeping), or tables of which the
            caller hashes the row that is used; `name.*` stands for a package and all below it.
    """
    closure = import_closure(entries, leave_out)
    return key_of({name: _meaning(str(path), path.stat().st_mtime_ns) for name, path in closure})


def import_closure(entries: Iterable[str], leave_out: Iterable[str] = ()) -> list[tuple[str, Path]]:
    """The project modules reached from `entries` by imports, at top level or inside functions."""
    out = tuple(leave_out)
    found: dict[str, Path] = {}
    chosen = tuple(entries)
    waiting = list(chosen)
    while waiting:
        name = waiting.pop()
        path = _module_path(name)
        if name in found or path is None or (name not in chosen and _is_left_out(name, out)):
            continue
        found[name] = path
        waiting += _imports(str(path), path.stat().st_mtime_ns)
    return sorted(found.items())


def _is_left_out(name: str, out: tuple[str, ...]) -> bool:
    return any(
        name == other or (other.endswith(".*") and f"{name}.".startswith(other[:-1]))
        for other in out
    )


def _module_path(name: str) -> Path | None:
    if name.split(".")[0] != PACKAGE:
        return None
    base = PACKAGE_ROOT.joinpath(*name.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=512)
def _tree(path: str, mtime_ns: int) -> ast.Module:
    return ast.parse(Path(path).read_text("utf-8"))


@lru_cache(maxsize=512)
def _imports(path: str, mtime_ns: int) -> tuple[str, ...]:
    names: set[str] = set()
    for node in ast.walk(_tree(path, mtime_ns)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            # `from package import module` and `from module import name` look the same here.
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in names if name.split(".")[0] == PACKAGE))


@lru_cache(maxsize=512)
def _meaning(path: str, mtime_ns: int) -> str:
    tree = ast.parse(Path(path).read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


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
