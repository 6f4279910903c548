"""Planted secrets: the search of everything written, counted beside the other faults."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.conftest import PROJECT
from tests.faults.record import counted

TESTS = "tests/behaviour/test_secrets.py"


def test_planted_secrets() -> None:
    title = "secrets planted in credentials, environment and addresses; all files searched"
    with counted("canaries", title, "22") as tally:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", TESTS]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        passed, failed = (found(done.stdout, word) for word in ("passed", "failed"))
        tally.count(True, tries=passed)
        if failed or not passed:
            tally.count(False, done.stdout[-400:], tries=max(1, failed))


def found(text: str, word: str) -> int:
    """How many tests a summary says did so."""
    said = re.search(rf"(\d+) {word}", text)
    return int(said[1]) if said else 0
