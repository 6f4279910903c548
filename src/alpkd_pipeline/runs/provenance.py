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
    "accelerate",
    "safetensors",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "kedro",
    "mlflow",
)


@lru_cache(maxsize=4)
def provenance(project: Path) -> dict[str, Any]:
    """Git commit and whether the tree had changes, the lock file's hash, Python and libraries."""
    commit = _git(project, "rev-parse", "HEAD")
    # A new file below src changes what runs, whether git knows it or not.
    status = _git(project, "status", "--porcelain", "--", "src", "conf", "constraints.txt")
    lock = project / "constraints.txt"
    return {
        "git_commit": commit,
        "git_dirty": None if status is None else bool(status),
        "lock": sha256_file(lock) if lock.is_file() else None,
        "python": platform.python_version(),
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
