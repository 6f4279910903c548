"""The event log of a training: one JSON object a line, appended while it runs.

The event log is the truth about a training; MLflow is filled from it. Each line has `event`
(`start`, `resume`, `step`, `memory`, `eval`, `epoch`, `end`), `time` (seconds since the epoch) and
the event's own fields.
"""

from __future__ import annotations

import json
import math
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from alpkd_pipeline.store.manifest import room_for
from alpkd_pipeline.store.run_folder import RunFolder

EVENT_LOG = "events.jsonl"

MEMORY = "memory"
"""The event of a device's memory that was too short for a whole batch."""


class EventLog(AbstractContextManager["EventLog"]):
    """Appends events to a run folder's event log; readers see each line at once and whole."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / EVENT_LOG
        # A last line that was never finished: the next event must not be glued to it.
        whole = self._path.read_bytes().rfind(b"\n") + 1 if self._path.is_file() else 0
        cut_event_log(folder, whole)
        # Unbuffered: a line that the disk did not take must not come back when the file is closed.
        self._file = self._path.open("ab", buffering=0)
        self.size = whole  # bytes written so far, those of an earlier process included

    def write(self, event: str, **fields: Any) -> None:
        """Append one event. Values that are not finite are written as strings (`nan`, `inf`).
        Raises DiskFullError where there is no room for the line; the event log is as before."""
        line = {"event": event, "time": round(time.time(), 3), **_plain(fields)}
        data = (json.dumps(line, allow_nan=False) + "\n").encode()
        with room_for(self._path):
            taken = 0
            try:
                while taken < len(data):
                    taken += self._file.write(data[taken:])
            except OSError:
                self._file.truncate(self.size)
                raise
        self.size += len(data)

    def close(self) -> None:
        """Close the file; more events may not be written."""
        self._file.close()

    def __exit__(self, *exc: object) -> None:
        self.close()


def cut_event_log(folder: Path, size: int) -> None:
    """Forget what was written after a checkpoint: the training that goes on writes it again."""
    path = folder / EVENT_LOG
    if path.is_file() and path.stat().st_size > size:
        with path.open("r+b") as file:
            file.truncate(size)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


class Place(NamedTuple):
    """How far an event log was read: the offset in bytes, and the last line before it."""

    offset: int
    line: bytes


START = Place(0, b"")


def sealed_events(folder: RunFolder) -> list[dict[str, Any]]:
    """The events of a finished folder; none where a teacher was brought, which has no event log.
    Raises DamagedError where the event log is not what was sealed."""
    lines = folder.read(EVENT_LOG).splitlines() if folder.has(EVENT_LOG) else []
    return [json.loads(line) for line in lines]


def read_event_log(folder: Path, after: Place = START) -> tuple[list[dict[str, Any]], Place]:
    """The whole lines of an event log from a place on, as events, and the place at which to go on.

    A last line that is still being written is left for the next call. An event log that no longer
    has the place's line was cut (`cut_event_log`), and may have grown since: it is read anew.
    """
    path = folder / EVENT_LOG
    if not path.is_file():
        return [], after
    with path.open("rb") as file:
        file.seek(after.offset - len(after.line))
        if file.read(len(after.line)) != after.line:
            file.seek(0)
            after = START
        data = file.read()
    lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
    place = Place(after.offset + sum(map(len, lines)), lines[-1]) if lines else after
    return [json.loads(line) for line in lines], place
