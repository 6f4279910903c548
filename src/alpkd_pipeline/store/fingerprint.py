"""Keys: short names for everything that a result depends on.

A stage's key is the hash of its parameters, its data, its upstream keys, the code it runs and the
versions of the libraries that compute. Equal keys mean: the same result, not to be made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.code_graph import CodeFacts, CodeGraph
from alpkd_pipeline.store.manifest import read_object, sha256_file, write_json

PACKAGE_ROOT = Path(__file__).resolve().parents[1]

LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "safetensors",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "kedro",
    "mlflow",
)

INSTRUCTIONS = ("avx512_bf16", "avx512f", "avx2", "sve", "asimd")
"""Names of vector instructions, the widest first: kernels add up in an order that fits them."""

SETTLED_SECONDS = 2.0
"""A file younger than this may be written again without its size or time showing it."""


def key_of(facts: Any) -> str:
    """The sha256 of JSON-ready facts, independent of the order of dictionaries."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def code_digest(
    entries: Iterable[str], leave_out: Iterable[str] = (), facts: CodeFacts | None = None
) -> str:
    """The digest of some definitions of this package, as `CodeGraph` has it."""
    return CodeGraph(PACKAGE_ROOT, facts or CodeFacts(None), leave_out).digest(entries)


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions without local parts: CPU and CUDA builds of a release are one version."""
    return {name: _version(name) for name in names}


@cache  # asked for dozens of times per run, and each answer reads a file
def _version(name: str) -> str:
    try:
        return version(name).split("+")[0]
    except PackageNotFoundError:
        return "missing"


@lru_cache(maxsize=4)
def provenance(project: Path) -> dict[str, Any]:
    """Git commit and whether the tree had changes, the lock file's hash, Python, the processor's
    instructions and libraries."""
    commit = git(project, "rev-parse", "HEAD")
    # A new file below src changes what runs, whether git knows it or not.
    status = git(project, "status", "--porcelain", "--", "src", "conf", "constraints.txt")
    lock = project / "constraints.txt"
    return {
        "git_commit": commit,
        "git_dirty": None if status is None else bool(status),
        "lock": sha256_file(lock) if lock.is_file() else None,
        "python": platform.python_version(),
        # The widest; the processor's family where it does not tell.
        "instructions": next((n for n in INSTRUCTIONS if n in processor()[1]), platform.machine()),
        "libraries": library_versions(LIBRARIES),
    }


def git(project: Path, *command: str, seconds: float = 10) -> str | None:
    """What git says in a project; None if it fails, takes longer, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *command], capture_output=True, text=True, timeout=seconds
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


@cache
def processor() -> tuple[str, tuple[str, ...]]:
    """The name of this machine's processor and what it can do, in the kernel's words."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), ()
    parts = (line.partition(":") for line in reversed(lines))
    fields = {name.strip(): value.strip() for name, _, value in parts}
    flags = fields.get("flags") or fields.get("Features") or ""
    return fields.get("model name") or platform.machine(), tuple(flags.split())


def sha256_cached(path: Path, cache_file: Path | None) -> str:
    """The sha256 of a large file's bytes, from the cache when the file is the one that was hashed.

    A model's weights are hashed for every key that depends on them; reading 400 MB at each start
    would cost more than everything else together. A file counts as the same while its path, size,
    inode, modification and change times stay; links are followed. Several processes may share a
    cache: it is replaced as a whole, so that the worst they can do to each other is to forget an
    entry. One that is missing, broken or not writable costs time only; None hashes each time.
    """
    if cache_file is None:
        return sha256_file(path)
    real = path.resolve()
    name, stamp = str(real), _stamp(real)
    known = read_object(cache_file).get(name)
    if isinstance(known, dict) and known.get("stamp") == stamp:
        return str(known["sha256"])
    digest = sha256_file(real)
    if _stamp(real) == stamp and time.time() - real.stat().st_mtime > SETTLED_SECONDS:
        entries = {**read_object(cache_file), name: {"stamp": stamp, "sha256": digest}}
        with suppress(OSError):
            write_json(cache_file, {n: e for n, e in entries.items() if os.path.exists(n)})
    return digest


def _stamp(path: Path) -> list[int]:
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]
