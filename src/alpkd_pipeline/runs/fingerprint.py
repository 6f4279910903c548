"""Keys: short names for everything that a result depends on.

A stage's key is the hash of its parameters, its data, its upstream keys, the code it runs and the
versions of the libraries that compute. Equal keys mean: the same result, not to be made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.code_facts import CodeFacts

PACKAGE_ROOT = Path(__file__).resolve().parents[1]
PACKAGE = PACKAGE_ROOT.name


def key_of(facts: Any) -> str:
    """The sha256 of JSON-ready facts, independent of the order of dictionaries."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions without local parts: CPU and CUDA builds of a release are one version."""
    return {name: _version(name) for name in names}


@cache  # asked for dozens of times per run, and each answer reads a file
def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "missing"


def code_digest(
    entries: Iterable[str], leave_out: Iterable[str] = (), facts: CodeFacts | None = None
) -> str:
    """A hash of what some modules do, themselves and all project modules they import.

    Comments, docstrings and layout do not count, and neither does anything outside the package.

    Args:
        entries: dotted names of modules of this package.
        leave_out: modules that do not change a result (bookkeeping), or tables of which the
            caller hashes the row that is used; `name.*` stands for a package and all below it.
        facts: reads the files; one with a cache spares parsing them at each start.
    """
    facts = facts or CodeFacts(None)
    closure = import_closure(entries, leave_out, facts)
    digest = key_of({name: facts.of(path).meaning for name, path in closure})
    facts.save()
    return digest


def import_closure(
    entries: Iterable[str], leave_out: Iterable[str] = (), facts: CodeFacts | None = None
) -> list[tuple[str, Path]]:
    """The project modules reached from `entries` by imports, at top level or inside functions."""
    facts = facts or CodeFacts(None)
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
        waiting += facts.of(path).imports
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
