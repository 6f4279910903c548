"""Count tests and the lines that check something, by room, at one revision or more.

    python scripts/count_checks.py e6fb8ca HEAD

A tidy-up of the tests may move and merge them; what it loses shows here, and needs a reason.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).parents[1]

KINDS = {
    "tests": r"^\s*def test_",
    "assert": r"\bassert\b",
    "raises": r"\braises\(",
    "approx": r"\bapprox\(",
    "lines": "",
}
"""What a line is counted as, by a pattern that it holds."""


def files_at(revision: str) -> Iterator[tuple[str, str]]:
    """Path below `tests/` and text of every test file of a revision."""
    command = ["git", "archive", revision, "tests"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".py") else None
            if content is not None:
                yield member.name.removeprefix("tests/"), content.read().decode("utf-8")


def count(text: str) -> Counter[str]:
    """How many lines of a file are of each kind."""
    lines = text.splitlines()
    return Counter({kind: sum(bool(re.search(at, x)) for x in lines) for kind, at in KINDS.items()})


def by_room(files: Iterator[tuple[str, str]]) -> dict[str, Counter[str]]:
    """The counts of each folder directly below `tests/`, and of all."""
    rooms: dict[str, Counter[str]] = {}
    for name, text in files:
        parts = PurePosixPath(name).parts
        for room in (parts[0] if len(parts) > 1 else "(top)", "all"):
            rooms.setdefault(room, Counter()).update(count(text))
    return rooms


def main(revisions: Sequence[str]) -> None:
    """Print one table; a column holds the counts of all revisions, `before > after`."""
    tables = [by_room(files_at(revision)) for revision in revisions]
    print(" ".join(f"{head:>15}" for head in ("room", *KINDS)))
    for room in sorted({room for table in tables for room in table}, key=lambda x: (x == "all", x)):
        counts = [table.get(room, Counter()) for table in tables]
        experiments = [" > ".join(str(one[kind]) for one in counts) for kind in KINDS]
        print(" ".join(f"{experiment:>15}" for experiment in (room, *experiments)))


if __name__ == "__main__":
    main(sys.argv[1:] or ["HEAD"])
