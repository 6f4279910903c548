"""What a schedule has in its folder: a lock, the logs of its runs, the outcome of the last one."""

from __future__ import annotations

import fcntl
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any

import click

from alpkd_pipeline.scheduling.settings import Masking
from alpkd_pipeline.store.manifest import read_object, write_json

LOCK, LAST = ".lock", "last.json"

STILL_RUNNING = 75
"""The exit code of a start that found another one running: EX_TEMPFAIL of sysexits.h."""

PATIENCE_SECONDS = 1.0
"""`is_held` takes a lock for a moment; that must not make a start give up."""

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


class StillRunning(Exception):  # noqa: N818
    """Another start of this schedule has not ended."""


@contextmanager
def held(path: Path, patience: float = PATIENCE_SECONDS) -> Iterator[int]:
    """Hold a lock file, and give its descriptor to be inherited.

    A plain `flock` instead of the `FileLock` used elsewhere: whoever inherits the descriptor holds
    the lock too. So a command whose parent was killed keeps the next one away until it ends.

    Raises:
        StillRunning: somebody has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    end = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise StillRunning from None
                time.sleep(0.05)
        yield descriptor
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody holds a lock file."""
    if path.exists():
        try:
            with held(path, patience=0.0):
                pass
        except StillRunning:
            return True
    return False


class RunLog:
    """Writes masked lines to a file named after the time, prints them too if asked (`echo`), and
    keeps the last ones of the command."""

    def __init__(self, folder: Path, started: datetime, masking: Masking, *, echo: bool) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        stem = utc(started).replace(":", "-")
        paths = (folder / f"{stem}{f'-{n}' if n else ''}.log" for n in count())
        self.path = next(path for path in paths if not path.exists())
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._masking, self._echo = masking, echo
        # Lines come from the thread that reads the command's output, ours from another one.
        self._lock = Lock()
        self._file = self.path.open("w", encoding="utf-8")
        for path in sorted(folder.glob("*.log"))[:-KEPT]:
            path.unlink(missing_ok=True)

    @property
    def last(self) -> list[str]:
        """The last lines of the command's output until now."""
        with self._lock:
            return list(self._last)

    def line(self, text: str) -> None:
        """A line of the command's output."""
        text = self._masking(text.rstrip("\r\n"))
        # Of a progress bar that was drawn over and over only the end counts.
        if text.strip():
            with self._lock:
                self._last.append(text.rsplit("\r", 1)[-1])
        self.heading(text)

    def heading(self, text: str) -> None:
        """A line of ours, around the command's output."""
        text = self._masking(text)
        if self._echo:
            click.echo(text)
        # On a full disk the command goes on, and its exit code still counts. What a process that
        # the command left behind says comes too late.
        with self._lock, suppress(OSError):
            if not self._file.closed:
                self._file.write(text + "\n")
                self._file.flush()

    def close(self) -> None:
        """Finish the file."""
        with self._lock, suppress(OSError):  # a full disk: what was written stays
            self._file.close()


def remember(folder: Path, outcome: dict[str, Any]) -> None:
    """Keep the outcome of the last run, for `kedro schedule --list`."""
    with suppress(OSError):  # as above
        write_json(folder / LAST, outcome)


def last_outcome(folder: Path) -> dict[str, Any]:
    """The outcome of the last run; empty when there was none or it cannot be read."""
    return read_object(folder / LAST)


def last_words(folder: Path) -> str:
    """When the last run started, and how it ended."""
    outcome = last_outcome(folder)
    if not outcome:
        return "never"
    started, log = outcome.get("started", "?"), outcome.get("log", "")
    if outcome.get("exit_code") is None:
        state = "still running" if is_held(folder / LOCK) else "did not end"
        return f"{started}, {state}, {log}"
    after = f" after {outcome['seconds']} s" if "seconds" in outcome else ""
    verdict = f": {outcome['verdict']}" if outcome.get("verdict") else ""
    shown = f"\n        {log}" if log else ""
    return f"{started}, exit code {outcome['exit_code']}{after}{verdict}{shown}"
