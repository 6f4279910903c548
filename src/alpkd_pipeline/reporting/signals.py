"""The caches of teacher signals: what they cost."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpkd_pipeline.reporting.store import SIGNALS
from alpkd_pipeline.runs.finished import Damage, DamagedError, FinishedFolder, finished_below, noted

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SignalsRecord:
    """One cache of teacher signals.

    Attributes:
        key: its key.
        rows: examples that the teacher was run on.
        seconds: how long that took.
        bytes: of its files.
        device: what the teacher ran on.
    """

    key: str
    rows: int
    seconds: float
    bytes: int
    device: str


def signals_records(store: Path, wanted: Set[str]) -> dict[str, SignalsRecord]:
    """The caches with these keys that are still there, by key.

    Raises:
        DamagedError: names what is not what was sealed.
    """
    found: dict[str, SignalsRecord] = {}
    damages: list[Damage] = []
    for folder in finished_below(store / SIGNALS, "*/*"):
        with noted(damages):
            try:
                if folder.key in wanted:
                    folder.check_sizes()
                    found[folder.key] = _read(folder)
            except DamagedError:
                raise
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("%s is left out, it cannot be read: %r", folder.path, error)
    if damages:
        raise DamagedError(damages)
    return found


def _read(folder: FinishedFolder) -> SignalsRecord:
    said = folder.json("signals.json")
    return SignalsRecord(
        key=folder.key,
        rows=int(said["rows"]),
        seconds=float(said.get("seconds") or 0.0),
        bytes=sum(file["bytes"] for file in folder.manifest["files"].values()),
        device=device_of(said),
    )


def device_of(said: Mapping[str, Any]) -> str:
    """Name and kind of the device that metrics or signals were made on."""
    environment = said.get("environment") or {}
    kind = str(environment.get("device", "?")).partition(":")[0]
    return f"{environment.get('device_name', 'unknown')} ({kind})"
