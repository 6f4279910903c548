"""What every test shares: no network, no surprises from the machine, the project's commands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would all processes that tests start from it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

PROJECT = Path(__file__).parents[1]

Kedro = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kedro() -> Kedro:
    """Runs `kedro` in a process of its own, as a user would."""

    def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path = PROJECT):
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=600,
        )

    return run
