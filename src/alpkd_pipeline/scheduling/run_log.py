"""What a schedule has in its folder: a lock, the logs of its runs, the outcome of the last one."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import click

from alpkd_pipeline.scheduling.settings import Masking
from alpkd_pipeline.store.manifest import read_object, write_json

LOCK, LAST = ".lock", "last.json"

STILL_RUNNING = 75
"""The exit code of a start that found another one running: EX_TEMPFAIL of sysexits.h."""

KEPT = 30
"""How many logs of a schedule stay."""

LAST_LINES = 20
"""How many lines of the output go into a report."""


def log_folder(project: Path, name: str) -> Path:
    """Where a schedule's logs, its lock and its last outcome lie."""
    return project / "logs" / "schedule" / name


def utc(moment: datetime) -> str:
    """A moment as it stands in reports: `2026-11-22T03:00:01Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def held(path: Path) -> Iterator[int | None]:
    """Hold a lock file, and give its descriptor to be inherited; None if somebody else has it.

    A plain `flock` instead of the `FileLock` used elsewhere: whoever inherits the descriptor holds
    the lock too. So a command whose parent was killed keeps the next one away until it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        free = True
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            free = False
        yield file.fileno() if free else None


class RunLog:
    """Writes masked lines to a file named after the time, prints them too if asked (`echo`), and
    keeps the last ones of the command (`last`)."""

    def __init__(self, folder: Path, started: datetime, masking: Masking, *, echo: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = utc(started).replace(":", "-")
        paths = (folder / f"{stem}{f'-{n}' if n else ''}.log" for n in count())
        self.path = next(path for path in paths if not path.exists())
        self.last: list[str] = []
        self._masking, self._echo = masking, echo
        self._file = self.path.open("w", encoding="utf-8")
        for path in sorted(folder.glob("*.log"))[:-KEPT]:
            path.unlink(missing_ok=True)

    def line(self, text: str) -> None:
        """A line of the command's output."""
        text = self._masking(text.rstrip("\r\n"))
        # Of a progress bar that was drawn over and over only the end counts.
        if text.strip():
            self.last = [*self.last, text.rsplit("\r", 1)[-1]][-LAST_LINES:]
        self.heading(text)

    def heading(self, text: str) -> None:
        """A line of ours, around the command's output."""
        text = self._masking(text)
        if self._echo:
            click.echo(text)
        # On a full disk the command goes on, and its exit code still counts. To a closed file comes
        # what a process says that the command left behind.
        with suppress(OSError, ValueError):
            self._file.write(text + "\n")
            self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        with suppress(OSError):  # a full disk: what was written stays
            self._file.close()


def remember(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome of the last run, for `kedro schedule --list`."""
    with suppress(OSError):  # as above
        write_json(folder / LAST, outcome)


def last_outcome(folder: Path) -> dict[str, Any]:
    """The outcome of the last run; empty when there was none or it cannot be read."""
    return read_object(folder / LAST)


def last_words(folder: Path) -> str:
    """When the last run started, what it was, and how it ended."""
    outcome = last_outcome(folder)
    if not outcome:
        return "never"
    begun = f"{outcome.get('started', '?')}, {outcome.get('command', '?')}"
    if outcome.get("exit_code") is None:
        ended = "has not ended, or was killed"
    else:
        ended = f"exit code {outcome['exit_code']} after {outcome.get('seconds', '?')} s"
    verdict = f": {outcome['verdict']}" if outcome.get("verdict") else ""
    log = f"\n        {outcome['log']}" if outcome.get("log") else ""
    return f"{begun}, {ended}{verdict}{log}"
