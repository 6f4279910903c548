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

from alpkd_pipeline.store.code_graph import CodeFacts, CodeGraph

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


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
    """A hash of what some definitions of this package do, with all that they reach.

    Comments, docstrings, layout, names and places do not count, see `CodeGraph`.

    Args:
        entries: dotted names of functions or classes of this package.
        leave_out: definitions and modules that do not change a result, see `CodeGraph`.
        facts: reads the files; one with a cache spares parsing them at each start.

    Raises:
        LookupError: there is no such definition.
    """
    return CodeGraph(PACKAGE_ROOT, facts or CodeFacts(None), leave_out).digest(entries)
