"""Which code and which libraries made a result, as recorded beside it."""

from __future__ import annotations

import platform
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.fingerprint import library_versions
from alpkd_pipeline.runs.manifest import sha256_file

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


@lru_cache(maxsize=4)
def provenance(project: Path) -> dict[str, Any]:
    """Git commit and whether the tree had changes, the lock file's hash, Python, the processor's
    instructions and libraries."""
    commit = _git(project, "rev-parse", "HEAD")
    # A new file below src changes what runs, whether git knows it or not.
    status = _git(project, "status", "--porcelain", "--", "src", "conf", "constraints.txt")
    lock = project / "constraints.txt"
    return {
        "git_commit": commit,
        "git_dirty": None if status is None else bool(status),
        "lock": sha256_file(lock) if lock.is_file() else None,
        "python": platform.python_version(),
        "instructions": _instructions(),
        "libraries": library_versions(LIBRARIES),
    }


def _git(project: Path, *command: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(project), *command], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _instructions() -> str:
    """The widest vector instructions of this processor; its family where it does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    told = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Feat")))
    flags = next(told, [])
    return next((name for name in INSTRUCTIONS if name in flags), platform.machine())
