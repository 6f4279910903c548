"""The folder in which a result is made, and the checkpoints of a training inside it.

    <work>/.checkpoints/step-00000120/    what is needed to go on after step 120
    <work>/.best/step-00000100/           the best model so far, found at step 100

Each is a folder that is written under another name, sealed with a manifest of its files' hashes and
put in place by rename, and checked when it is read. A process that is killed at any moment leaves
only whole ones. Both are removed once the result is published.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import DiskFullError, UserError
from alpkd_pipeline.store.diff import block
from alpkd_pipeline.store.event_log import EVENT_LOG
from alpkd_pipeline.store.manifest import (
    MANIFEST,
    list_files,
    listed,
    read_json,
    read_manifest,
    room_for,
    seal,
    write_json,
)
from alpkd_pipeline.store.run_folder import RUN_CONFIG, RunFolder, verify

log = logging.getLogger(__name__)

CHECKPOINTS = ".checkpoints"
BEST = ".best"

FACTS = "facts.json"
"""What a checkpoint says beside its tensors."""

KEPT = 2
"""Checkpoints that stay: the last one and one to fall back on."""


def publish_step(place: Path, step: int, write: Callable[[Path], None]) -> Path:
    """Write a folder for a step, seal it and put it in place; an older one of that step gives way.

    `place` is `<work>/.checkpoints` or `<work>/.best`; `write` fills the folder that it is given.
    Raises DiskFullError where there is no room; the older folders are as they were.
    """
    final, making = folder_of(place, step), place / f".making-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    try:
        with room_for(final):
            making.mkdir(parents=True)
            write(making)
            # What it goes on with of the work folder, as far as that was written by then.
            beside = [place.parent / name for name in (RUN_CONFIG, EVENT_LOG)]
            said = {path.name: _prefix(path) for path in beside if path.is_file()}
            seal(making, {"step": step, "beside": said})
        if final.exists():
            shutil.rmtree(final)
        os.rename(making, final)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return final


def steps_of(place: Path) -> list[int]:
    """The steps that have a folder, the first one first; copies that people put beside are none."""
    names = (re.fullmatch(r"step-([0-9]{8})", path.name) for path in listed(place))
    return sorted(int(name[1]) for name in names if name)


def folder_of(place: Path, step: int) -> Path:
    """The folder of a step."""
    return place / f"step-{step:08d}"


def keep_only(place: Path, steps: set[int]) -> None:
    """Remove the folders of all other steps, and what a killed process left half made."""
    others = (folder_of(place, step) for step in set(steps_of(place)) - steps)
    for folder in (*others, *place.glob(".making-*")):
        shutil.rmtree(folder, ignore_errors=True)


def drop_beaten(work: Path, best_step: int | None) -> None:
    """Remove best models that were beaten, unless a checkpoint may still go back to them."""
    wanted = {best_step}
    for path in (work / CHECKPOINTS).glob(f"step-*/{FACTS}"):
        try:
            wanted.add(read_json(path)["best_step"])
        except (OSError, ValueError, KeyError):
            continue  # damaged: nothing goes back to it
    keep_only(work / BEST, {step for step in wanted if step is not None})


def has_checkpoint(work: Path) -> bool:
    """Whether a training left something to go on from."""
    return bool(steps_of(work / CHECKPOINTS))


def good_checkpoints(work: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Checkpoints whose files, event log and best model are what was written, each with its facts,
    the last one first. A damaged one is named in the log and passed over. Raises UserError where
    run.json is no longer the one that the training began with."""
    if config_changed(work):
        raise UserError(
            f"{work / RUN_CONFIG} was changed after its training began: put it back, or remove"
            f" {work / CHECKPOINTS} to begin again"
        )
    for step in reversed(steps_of(work / CHECKPOINTS)):
        folder = folder_of(work / CHECKPOINTS, step)
        try:
            _check(folder, step)
            if found := changed_beside(folder).get(EVENT_LOG):
                raise UserError(
                    f"{work / EVENT_LOG} is damaged: its first {found['bytes']} bytes differ"
                )
            facts = dict(read_json(folder / FACTS))
            if facts["best_step"] is not None:
                _check(folder_of(work / BEST, facts["best_step"]), facts["best_step"])
        except UserError as error:
            log.warning("checkpoint of step %d is passed over: %s", step, error)
            continue
        yield folder, facts


def _check(folder: Path, step: int) -> None:
    verify(folder)
    said = (read_manifest(folder) or {}).get("step")
    if said != step:
        raise UserError(f"{folder / MANIFEST} is damaged: it speaks of step {said}")


def config_changed(work: Path) -> bool:
    """Whether a checkpoint was made with another run.json than the one that is there now."""
    place = work / CHECKPOINTS
    return any(RUN_CONFIG in changed_beside(folder_of(place, step)) for step in steps_of(place))


def changed_beside(checkpoint: Path) -> dict[str, dict[str, Any]]:
    """The files of the work folder that are not what a checkpoint goes on with. It holds sha256 and
    length of run.json, which never changes, and of the event log as far as it went; nothing, if it
    is damaged or of an older version."""
    work, said = checkpoint.parents[1], (read_manifest(checkpoint) or {}).get("beside") or {}
    return {
        name: facts
        for name, facts in said.items()
        if facts != _prefix(work / name, None if name == RUN_CONFIG else int(facts["bytes"]))
    }


def _prefix(path: Path, size: int | None = None) -> dict[str, Any]:
    """Bytes and sha256 of a file's beginning, or of all of it."""
    try:
        with path.open("rb") as file:
            data = file.read(size)
    except OSError:
        data = b""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def copy_best(work: Path, step: int) -> None:
    """Make the best model the work's result; raises UserError where it is damaged. Checkpoints stay
    until the result is published: a process that is killed here goes on too."""
    best = folder_of(work / BEST, step)
    _check(best, step)
    for path in list_files(best):
        target = work / path.relative_to(best)
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            os.link(path, target)
        except OSError:  # a file system without links
            shutil.copyfile(path, target)


@contextmanager
def says_where_it_goes_on(work: Path) -> Iterator[None]:
    """A context that trains in a work folder; to a DiskFullError it adds where it will go on."""
    try:
        yield
    except DiskFullError as error:
        steps = steps_of(work / CHECKPOINTS)
        then = f"it goes on after step {steps[-1]}" if steps else "the training begins again"
        raise DiskFullError(f"{error}; {then}") from error


def drop_checkpoints(folder: Path) -> None:
    """Remove what only a training that goes on needs."""
    for name in (CHECKPOINTS, BEST):
        shutil.rmtree(folder / name, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Work:
    """A folder to work in, and what the result is: its run.json is written before anything else."""

    folder: Path  # where the files go; it is renamed to its final place when it is finished
    # JSON-ready: the task, the parameters, the name, the keys
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trains(self) -> bool:
        """Whether something is trained here; a teacher that was brought is not, nor is a table."""
        stage, teacher = self.facts.get("stage"), block(block(self.facts, "params"), "teacher")
        brought = teacher.get("finetuned") or teacher.get("source") == "table"
        return stage == "student" or (stage == "teacher" and not brought)

    def clear(self) -> None:
        """Remove what an interrupted process left behind."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def resumes(self) -> bool:
        """Whether a training with this key was interrupted here and left a checkpoint."""
        found, wanted = (
            block(facts, "identity").get("key")
            for facts in (RunFolder(self.folder).unchecked_run, self.facts)
        )
        if not (self.trains and found and found == wanted and has_checkpoint(self.folder)):
            return False
        if config_changed(self.folder):
            changed = "%s was changed after its training began: it begins again"
            log.warning(changed, self.folder / RUN_CONFIG)
            return False
        return True

    def begin(self, **inputs: Path | None) -> Path:
        """Empty the folder and write its run.json, and give it; one whose training goes on stays as
        it is. The folders that it reads, None left out, are named relative to it, so that a whole
        store can be moved."""
        if self.resumes:
            return self.folder
        self.clear()
        self.folder.mkdir(parents=True)
        places = {n: os.path.relpath(path, self.folder) for n, path in inputs.items() if path}
        run = {**self.facts, "inputs": places}
        if self.trains and (encoded := inputs.get("encoded")) is not None:
            run["data"] = data_digests(encoded)
        write_json(self.folder / RUN_CONFIG, run)
        return self.folder


def data_digests(encoded: Path) -> dict[str, str]:
    """Split -> sha256 of its token ids and labels: what a training read, for when it is gone. Empty
    where the splits are not on this machine; DamagedError where their manifest is damaged."""
    sealed = RunFolder(encoded)
    files = sealed.manifest["files"] if sealed.is_there else {}
    return {
        name.removesuffix(".arrow"): file["sha256"]
        for name, file in files.items()
        if name.endswith(".arrow")
    }
