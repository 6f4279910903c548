"""The log of a scheduled run, and what is remembered of the last one."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import click

from alpkd_pipeline.orchestration.timetable.masking import Masking
from alpkd_pipeline.store.manifest import read_json, write_json

KEPT = 30
"""How many logs of a schedule stay."""

LAST_LINES = 20
"""How many lines of the output go into a report."""

LAST = "last.json"


def log_folder(project: Path, name: str) -> Path:
    """Where a schedule's logs, its lock and its last outcome lie."""
    return project / "logs" / "schedule" / name


def utc(moment: datetime) -> str:
    """A moment as it stands in reports: `2026-11-22T03:00:01Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class RunLog:
    """Writes lines to a file named after the time, and keeps the last ones.

    Args:
        folder: the schedule's folder.
        started: when it started.
        masking: takes secrets out of every line.
        echo: whether to print the lines too.
    """

    def __init__(self, folder: Path, started: datetime, masking: Masking, *, echo: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = _unused(folder, utc(started).replace(":", "-"))
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._masking, self._echo = masking, echo
        # Lines come from the thread that reads the command's output, ours from another one.
        self._lock = Lock()
        self._file = self.path.open("w", encoding="utf-8")
        prune(folder)

    @property
    def last(self) -> list[str]:
        """The last lines of the command's output until now."""
        with self._lock:
            return list(self._last)

    def heading(self, text: str) -> None:
        """A line of ours, around the command's output."""
        self._write(self._masking(text))

    def line(self, text: str) -> None:
        """A line of the command's output."""
        text = self._masking(text.rstrip("\r\n"))
        # Of a progress bar that was drawn over and over only the end counts.
        if text.strip():
            with self._lock:
                self._last.append(text.rsplit("\r", 1)[-1])
        self._write(text)

    def close(self) -> None:
        """Finish the file."""
        with self._lock, suppress(OSError):  # a full disk: what was written stays
            self._file.close()

    def _write(self, text: str) -> None:
        if self._echo:
            click.echo(text)
        # On a full disk the command goes on, and its exit code still counts.
        with self._lock, suppress(OSError):
            if self._file.closed:
                return  # of a process that the command left behind
            self._file.write(text + "\n")
            self._file.flush()


def prune(folder: Path) -> None:
    """Delete the oldest logs but for `KEPT`."""
    for path in sorted(folder.glob("*.log"))[:-KEPT]:
        path.unlink(missing_ok=True)


def remember(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome of the last run, for `kedro schedule --list`."""
    with suppress(OSError):  # as above
        write_json(folder / LAST, outcome)


def last_outcome(folder: Path) -> dict[str, Any]:
    """The outcome of the last run; empty when there was none or it cannot be read."""
    try:
        found = read_json(folder / LAST)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unused(folder: Path, stem: str) -> Path:
    paths = (folder / f"{stem}{f'-{n}' if n else ''}.log" for n in count())
    return next(path for path in paths if not path.exists())
