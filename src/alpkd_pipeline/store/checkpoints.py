"""Checkpoints of a training inside its work folder: published whole, checked when they are read.

    <work>/.checkpoints/step-00000120/    what is needed to go on after step 120
    <work>/.best/step-00000100/           the best model so far, found at step 100

Each is a folder that is written under another name, sealed with a manifest of its files' hashes and
put in place by rename. A process that is killed at any moment leaves only whole ones. Both are
removed once the result is published.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import DiskFullError, UserError
from alpkd_pipeline.store.finished import verify
from alpkd_pipeline.store.journal import JOURNAL
from alpkd_pipeline.store.manifest import (
    MANIFEST,
    list_files,
    listed,
    read_json,
    read_manifest,
    room_for,
    seal,
)

log = logging.getLogger(__name__)

CHECKPOINTS = ".checkpoints"
BEST = ".best"

CONFIG = "run.json"

BESIDE = (CONFIG, JOURNAL)
"""Files of the work folder that a checkpoint goes on with, as far as they were written by then."""

FACTS = "facts.json"
"""What a checkpoint says beside its tensors."""

KEPT = 2
"""Checkpoints that stay: the last one and one to fall back on."""

_NAME = "step-{:08d}"
_STEP = re.compile(r"step-([0-9]{8})")


def publish_step(place: Path, step: int, write: Callable[[Path], None]) -> Path:
    """Write a folder for a step, seal it and put it in place; an older one of that step gives way.

    Args:
        place: `<work>/.checkpoints` or `<work>/.best`.
        step: the step that it belongs to.
        write: writes the files into the folder it is given.

    Raises:
        DiskFullError: there is no room; the folders that were there before are as they were.
    """
    final, making = place / _NAME.format(step), place / f".making-{os.getpid()}"
    shutil.rmtree(making, ignore_errors=True)
    try:
        with room_for(final):
            making.mkdir(parents=True)
            write(making)
            seal(making, {"step": step, "beside": _beside(place.parent)})
        if final.exists():
            shutil.rmtree(final)
        os.rename(making, final)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return final


def steps_of(place: Path) -> list[int]:
    """The steps that have a folder, the first one first; copies that people put beside are none."""
    names = (_STEP.fullmatch(path.name) for path in listed(place))
    return sorted(int(name[1]) for name in names if name)


def folder_of(place: Path, step: int) -> Path:
    """The folder of a step."""
    return place / _NAME.format(step)


def keep_only(place: Path, steps: set[int]) -> None:
    """Remove the folders of all other steps, and what a killed process left half made."""
    for step in set(steps_of(place)) - steps:
        shutil.rmtree(folder_of(place, step), ignore_errors=True)
    for half in place.glob(".making-*"):
        shutil.rmtree(half, ignore_errors=True)


def drop_beaten(work: Path, best_step: int | None) -> None:
    """Remove best models that were beaten, unless a checkpoint may still go back to them.

    Args:
        work: the work folder.
        best_step: the step of the best model now.
    """
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
    """Checkpoints whose files, journal and best model are what was written; the last one first.

    A damaged one is named in the log and passed over.

    Yields:
        The folder and its facts.

    Raises:
        UserError: run.json is no longer the one that the training began with.
    """
    if config_changed(work):
        raise UserError(
            f"{work / CONFIG} was changed after its training began: put it back, or remove"
            f" {work / CHECKPOINTS} to begin again"
        )
    for step in reversed(steps_of(work / CHECKPOINTS)):
        folder = folder_of(work / CHECKPOINTS, step)
        try:
            _check(folder, step)
            _check_journal(work, folder)
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
    for step in steps_of(work / CHECKPOINTS):
        said = _said_beside(folder_of(work / CHECKPOINTS, step), CONFIG)
        if said is not None and said != _prefix(work / CONFIG, int(said["bytes"]), whole=True):
            return True
    return False


def _check_journal(work: Path, folder: Path) -> None:
    said = _said_beside(folder, JOURNAL)
    if said is not None and said != _prefix(work / JOURNAL, int(said["bytes"])):
        raise UserError(f"{work / JOURNAL} is damaged: its first {said['bytes']} bytes differ")


def _said_beside(folder: Path, name: str) -> dict[str, Any] | None:
    """What a checkpoint says of a file; None where it is damaged or of an older version."""
    found: dict[str, Any] = (read_manifest(folder) or {}).get("beside", {})
    return found.get(name)


def _beside(work: Path) -> dict[str, dict[str, Any]]:
    found = {name: work / name for name in BESIDE if (work / name).is_file()}
    return {name: _prefix(path, path.stat().st_size) for name, path in found.items()}


def _prefix(path: Path, size: int, *, whole: bool = False) -> dict[str, Any]:
    """Bytes and sha256 of a file's beginning, or of all of it."""
    try:
        with path.open("rb") as file:
            data = file.read() if whole else file.read(size)
    except OSError:
        data = b""
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def copy_best(work: Path, step: int) -> None:
    """Make the best model the work's result.

    The checkpoints stay until the result is published: a process that is killed here goes on too.

    Raises:
        UserError: the best model is damaged.
    """
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
    """A context that trains in a work folder; if the disk is full, it adds what is kept.

    Raises:
        DiskFullError: as it came, and the step after which the training will go on.
    """
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
