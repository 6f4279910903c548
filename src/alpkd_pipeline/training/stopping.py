"""Ctrl-C and SIGTERM during a training: the step is finished and saved before the process ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 12.0
"""Seconds that a step may take to end; then the process stops where it is. A sweep waits longer."""


class Stopping:
    """Remembers a signal until the training has saved; a second one stops at once."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._alarm: Any = None

    @property
    def asked(self) -> bool:
        """Whether the training is to stop."""
        return self._asked is not None

    def install(self) -> None:
        """Take over the signals; only a process's main thread may, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            # A shell's background job ignores Ctrl-C, and goes on doing so.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._remember)

    def remove(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._alarm)
            self._alarm = None

    def stop(self) -> None:
        """Do what the process would have done when the signal came: in most cases, raise."""
        assert self._asked is not None
        number, handlers = self._asked, dict(self._before)
        self.remove()
        handler = handlers[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(signal.Signals(number))

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self._asked is not None:
            self.stop()
            return
        self._asked = number
        if hasattr(signal, "setitimer"):  # not on Windows
            self._alarm = signal.signal(signal.SIGALRM, self._too_long)
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _too_long(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()


@contextmanager
def stopping() -> Iterator[Stopping]:
    """A context in which signals wait for `Stopping.asked` to be looked at."""
    found = Stopping()
    found.install()
    try:
        yield found
    finally:
        found.remove()
