"""Both ends of the pipes between a process and its workers, which carry lines of JSON."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def talking_process(
    module: str, words: Sequence[str], log: Path, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A Python process that reads lines, answers with lines, and logs all else it has to say.

    It is in a session of its own, so that Ctrl-C reaches the sweep alone.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            text=True,
            encoding="utf-8",
            start_new_session=True,
        )


def lines_to_come(at_end: Callable[[], None]) -> queue.SimpleQueue[str | None]:
    """The lines of standard input as they come, and None at its end, which is told at once too."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        at_end()

    threading.Thread(target=read, name="jobs", daemon=True).start()
    return lines


def own_stdout() -> Callable[[Mapping[str, Any]], None]:
    """Writes lines of JSON to standard output, which prints reach no more: they are for the log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def tell(message: Mapping[str, Any]) -> None:
        answers.write(json.dumps(message) + "\n")
        answers.flush()

    return tell
