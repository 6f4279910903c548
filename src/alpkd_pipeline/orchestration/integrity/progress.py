"""How far the reading of many files is, for those who wait."""

from __future__ import annotations

import sys
import time
from threading import Lock
from typing import TextIO

QUIET_SECONDS = 2.0
"""What is done before that says nothing."""

PIPED_SECONDS = 30.0
"""Seconds between two lines where nobody watches a terminal."""


class ByteProgress:
    """Counts bytes, from several threads, and says now and then how many are read.

    Args:
        out: where to; the standard error by default.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self.total = 0
        self._out = out or sys.stderr
        self._live = self._out.isatty()
        self._read, self._lock = 0, Lock()
        self._began = time.monotonic()
        self._next = self._began + QUIET_SECONDS
        self._said = False

    def __call__(self, count: int) -> None:
        """So many bytes more."""
        with self._lock:
            self._read += count
            now = time.monotonic()
            if now >= self._next:
                self._next = now + (0.2 if self._live else PIPED_SECONDS)
                self._say(now - self._began)

    def _say(self, seconds: float) -> None:
        part = min(1.0, self._read / self.total) if self.total else 0.0
        left = f", about {seconds / part - seconds:.0f} s left" if part >= 0.05 else ""
        line = f"{part:4.0%} of {self.total / 1e9:.2f} GB read{left}"
        self._out.write(f"\r{line:<60}" if self._live else f"{line}\n")
        self._out.flush()
        self._said = True

    def close(self) -> None:
        """Take the line back."""
        if self._said and self._live:
            self._out.write("\r" + " " * 60 + "\r")
            self._out.flush()
