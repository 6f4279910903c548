"""When a training saves what it needs to go on, and how it finds it again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alpkd_pipeline.runs.checkpoints import (
    CHECKPOINTS,
    FACTS,
    KEPT,
    drop_beaten,
    drop_checkpoints,
    good_checkpoints,
    keep_only,
    publish_step,
    steps_of,
)
from alpkd_pipeline.runs.journal import Journal
from alpkd_pipeline.runs.manifest import write_json

SHARE = 0.02
"""With `auto`, the most of a training's time that goes into saving."""

LONGEST = 300.0
"""With `auto`, seconds after which it saves in the middle of an epoch."""


class Saver:
    """Publishes a training's checkpoints.

    Args:
        work: the work folder.
        every: steps between two checkpoints, beside those at each epoch's end; `auto`: by the
            clock, so that saving takes no more than `SHARE` of the time.
        journal: the training's; a checkpoint remembers how long it is.
    """

    def __init__(self, work: Path, every: int | str, journal: Journal) -> None:
        self._work, self._every, self._journal = work, every, journal
        self._saved_at = time.perf_counter()
        self._cost = 0.0

    @classmethod
    def of(cls, work: Path, every: int | str, journal: Journal) -> Saver | None:
        """As the parameter `checkpoint_every` says; None for `never`."""
        return None if every == "never" else cls(work, every, journal)

    def due(self, step: int, *, epoch_ends: bool) -> bool:
        """Whether a checkpoint is wanted after this step."""
        if self._every != "auto":
            return epoch_ends or step % int(self._every) == 0
        waited = time.perf_counter() - self._saved_at
        cheap = self._cost <= SHARE * waited
        return cheap and (epoch_ends or waited >= LONGEST)

    def save(self, step: int, facts: dict[str, Any], write: Callable[[Path], None]) -> None:
        """Publish the checkpoint of a step, and remove what is no longer needed.

        Args:
            step: optimiser steps done.
            facts: what the loop needs beside the tensors; `best_step` names the best model.
            write: writes the tensors into a folder.
        """
        started = time.perf_counter()

        def both(folder: Path) -> None:
            write(folder)
            write_json(folder / FACTS, {**facts, "journal_bytes": self._journal.size})

        place = self._work / CHECKPOINTS
        publish_step(place, step, both)
        keep_only(place, set(steps_of(place)[-KEPT:]))
        drop_beaten(self._work, facts["best_step"])
        self._saved_at = time.perf_counter()
        self._cost = self._saved_at - started


def latest(work: Path) -> tuple[Path, dict[str, Any]] | None:
    """The last checkpoint that is whole, and its facts; None: the training begins.

    What cannot be used is removed, so that the training that begins finds an empty place.
    """
    found = next(good_checkpoints(work), None)
    if found is None:
        drop_checkpoints(work)
        return None
    step = int(found[1]["steps"])
    keep_only(work / CHECKPOINTS, {s for s in steps_of(work / CHECKPOINTS) if s <= step})
    return found
