"""Runs a command, passes signals on to it, and hands over its lines."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

LAST_WORDS_SECONDS = 5.0
"""How long to read on after the command's end: a process that it left behind may keep the pipe."""


def run_child(
    words: Sequence[str],
    project: Path,
    environment: Mapping[str, str],
    line: Callable[[str], None],
    inherited: Sequence[int] = (),
) -> int:
    """Run a command to its end.

    Args:
        words: the command.
        project: its working folder.
        environment: its variables.
        line: is called with each line that it writes, whether on stdout or on stderr.
        inherited: descriptors that it keeps open.

    Returns:
        Its exit code; 128 and the number of the signal if it died of one, as shells do.
    """
    with _caught() as caught:
        # In a session of its own, so that Ctrl-C reaches it once: from here.
        process = subprocess.Popen(
            words,
            cwd=project,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
        caught.pass_on_to(process)
        assert process.stdout is not None
        reader = threading.Thread(target=_read, args=(process.stdout, line), daemon=True)
        reader.start()
        code = process.wait()
        reader.join(LAST_WORDS_SECONDS)
    return 128 - code if code < 0 else code


class _Signals:
    """Signals that came, and the process that they are meant for."""

    def __init__(self) -> None:
        self._waiting: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            self._waiting.append(number)
        else:
            self._process.send_signal(number)

    def pass_on_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        for number in self._waiting:
            process.send_signal(number)


@contextmanager
def _caught() -> Iterator[_Signals]:
    signals = _Signals()
    before = {number: signal.signal(number, signals) for number in SIGNALS}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _read(pipe: IO[bytes], line: Callable[[str], None]) -> None:
    for given in pipe:
        line(given.decode("utf-8", "replace"))
