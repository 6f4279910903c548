"""The folder in which a result is made, and the run.json with which a training's begins."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.checkpoints import config_changed, has_checkpoint
from alpkd_pipeline.runs.manifest import read_json, read_manifest, write_json

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
