"""The folder in which a result is made, and the run.json with which a training's begins."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from alpkd_pipeline.store.checkpoints import config_changed, has_checkpoint
from alpkd_pipeline.store.fingerprint import library_versions
from alpkd_pipeline.store.manifest import read_json, read_manifest, sha256_file, write_json

log = logging.getLogger(__name__)

RUN_CONFIG = "run.json"
"""Not config.json: that name belongs to Hugging Face in a folder that `from_pretrained` loads."""


@dataclass(frozen=True, slots=True)
class Work:
    """A folder to work in, and what the result is.

    Attributes:
        folder: where the files go; it is renamed to its final place when it is finished.
        facts: JSON-ready: the task, the parameters, the name, the keys.
    """

    folder: Path
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Whether something is trained here; a teacher that was brought fine-tuned is not."""
        stage, teacher = self.facts.get("stage"), _block(_block(self.facts, "params"), "teacher")
        return stage == "student" or (stage == "teacher" and not teacher.get("finetuned"))

    def clear(self) -> None:
        """Remove what an interrupted process left behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def goes_on(self) -> bool:
        """Whether a training with this key was interrupted here and left a checkpoint."""
        try:
            found = read_json(self.folder / RUN_CONFIG)["identity"]["key"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        wanted = _block(self.facts, "identity").get("key")
        if not (self.trains and found == wanted and has_checkpoint(self.folder)):
            return False
        if config_changed(self.folder):
            log.warning(
                "%s was changed after its training began: it begins again",
                self.folder / RUN_CONFIG,
            )
            return False
        return True

    def begin(self, **inputs: Path | None) -> Path:
        """Empty the folder and write its run.json; one whose training goes on stays as it is.

        Args:
            **inputs: the folders that the work reads, by name; None is left out. They are
                written relative to the folder, so that a whole store can be moved.

        Returns:
            The folder.
        """
        if self.goes_on:
            return self.folder
        self.clear()
        self.folder.mkdir(parents=True)
        places = {
            name: os.path.relpath(path, self.folder)
            for name, path in inputs.items()
            if path is not None
        }
        run = {**self.facts, "inputs": places}
        if self.trains and (encoded := inputs.get("encoded")) is not None:
            run["data"] = _data(encoded)
        write_json(self.folder / RUN_CONFIG, run)
        return self.folder


def input_place(folder: Path, place: str) -> Path:
    """Where an input that a run.json names lies.

    Folders of a store may be links to other disks, and `..` leads up in the store then. The system
    would go up on the other disk, as it must where the run folder itself is a link.
    """
    found = Path(os.path.abspath(folder / place))
    return found if found.exists() else (folder / place).resolve()


def _block(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Facts inside facts; empty if there are none, as in a run.json that was damaged."""
    found = facts.get(name)
    return found if isinstance(found, Mapping) else {}


def _data(encoded: Path) -> dict[str, str]:
    """Split -> sha256 of its token ids and labels: what a training read, told when it is gone."""
    files = (read_manifest(encoded) or {"files": {}})["files"]
    ends = ".arrow"
    return {n.removesuffix(ends): f["sha256"] for n, f in files.items() if n.endswith(ends)}


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
