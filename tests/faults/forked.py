"""Processes that begin with torch imported: a fork takes milliseconds, a start four seconds."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Child:
    """A forked process.

    Attributes:
        pid: its number.
        log: the file of its output.
        code: how it ended, as a shell says it with a minus for signals; None while it runs.
    """

    pid: int
    log: Path
    code: int | None = field(default=None)

    def running(self) -> bool:
        """Whether it still runs."""
        if self.code is None:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            if found:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def cpu(self) -> float:
        """Seconds of processor time that it has used: its progress, however busy the machine is."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, seconds: float = 600.0) -> int:
        """Wait for its end; one that takes longer is killed and counts as -9."""
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                self.kill()
            time.sleep(0.01)
        assert self.code is not None
        return self.code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.running():
            os.kill(self.pid, number)

    def kill(self) -> int:
        """Kill it and wait; the code is that of its own end if it was faster."""
        self.send(signal.SIGKILL)
        while self.running():
            time.sleep(0.001)
        assert self.code is not None
        return self.code

    @property
    def said(self) -> str:
        """Its output and errors so far."""
        return self.log.read_text("utf-8", errors="replace")


def fork(work: Callable[[], object], log: Path) -> Child:
    """Run `work` in a new process; an int that it returns is the exit code.

    The parent must not have run a training of its own: autograd's threads do not survive a fork.

    Args:
        work: what to do.
        log: its output and errors.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    log.parent.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid:
        return Child(pid, log)
    code = 1
    try:
        code = _as_a_program(work, log)
    finally:
        os._exit(code)


def _as_a_program(work: Callable[[], object], log: Path) -> int:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for number, target in ((null, 0), (file, 1), (file, 2)):
        os.dup2(number, target)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)
    for handler in list(logging.getLogger().handlers):
        logging.getLogger().removeHandler(handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        returned = work()
        return returned if isinstance(returned, int) else 0
    except SystemExit as error:
        return error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
