"""What the campaign counts: one row a fault, kept as JSON until the next run of the same part."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock
from tests.conftest import PROJECT

RECORD = Path(os.environ.get("ALPKD_FAULTS_RECORD", PROJECT / "benchmarks" / "reliability.json"))


def times(count: int) -> int:
    """How often something is done: all of it, or the share that ALPKD_FAULTS_SHARE asks for."""
    return max(1, round(count * float(os.environ.get("ALPKD_FAULTS_SHARE", "1"))))


@dataclass
class Tally:
    """One row of the table.

    Attributes:
        part: the row's name in the record; a later run of the part replaces it.
        fault: what was done, for people.
        rows: the promises that it tests, by their numbers in docs/reliability.md.
        tries: how often it was done.
        survived: how often nothing was lost.
        lost: one line for each time something was.
        note: what else was counted.
    """

    part: str
    fault: str
    rows: str
    tries: int = 0
    survived: int = 0
    lost: list[str] = field(default_factory=list)
    note: str = ""

    def count(self, ok: bool, what: str = "", tries: int = 1) -> None:
        """Add tries that ended well or badly together.

        Args:
            ok: whether nothing was lost.
            what: what happened, where something was lost.
            tries: how many.
        """
        self.tries += tries
        if ok:
            self.survived += tries
        else:
            self.survived += max(0, tries - 1)
            self.lost.append(" ".join(what.split())[:400])


@contextmanager
def counted(part: str, fault: str, rows: str) -> Iterator[Tally]:
    """Count a part of the campaign, write it down, and fail if anything was lost."""
    tally, started = Tally(part, fault, rows), time.perf_counter()
    try:
        yield tally
    except BaseException as error:
        tally.lost.append(f"the part stopped: {type(error).__name__}: {str(error)[:300]}")
        raise
    finally:
        write_part(tally, time.perf_counter() - started)
    assert not tally.lost, "\n".join(tally.lost)


def write_part(tally: Tally, seconds: float) -> None:
    """Replace a part's row in the record."""
    row = {
        **asdict(tally),
        "seconds": round(seconds, 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
    }
    with FileLock(f"{RECORD}.lock"):
        rows = read_record()
        rows[tally.part] = row
        temporary = RECORD.with_suffix(".tmp")
        temporary.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", "utf-8")
        temporary.replace(RECORD)
    Path(f"{RECORD}.lock").unlink(missing_ok=True)


def read_record() -> dict[str, dict[str, Any]]:
    """Every part's newest row, by the part's name."""
    return json.loads(RECORD.read_text("utf-8")) if RECORD.exists() else {}


def commit() -> str:
    """The code's commit; a plus says that files were changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=PROJECT, capture_output=True, text=True)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "src", "tests", "conf")
    return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")


def machine() -> str:
    """Processor, cores and system."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = (line for line in info.read_text().splitlines() if line.startswith("model name"))
        name = next(lines, name).partition(":")[2].strip() or name
    return f"{len(os.sched_getaffinity(0))} cores of {name}, {platform.system()}"


def versions() -> str:
    """The libraries that faults meet."""
    from importlib.metadata import version

    names = ("torch", "safetensors", "pyarrow", "mlflow", "kedro")
    return ", ".join([f"Python {platform.python_version()}", *(f"{n} {version(n)}" for n in names)])
