"""Makes each mistake of the lists in a copy of src and runs the tests that should notice it.

    python -m tests.mutants.run [--workers 2] [--only TEXT]

First the tests run on the copy as it is. Then one line a mutant: killed and by which test, or
SURVIVED. The exit code is 1 if one survived or could not be tried. Tests run in forks of one
process that has imported the large libraries: a mutant costs a second and not six.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import PROJECT
from tests.faults.forked import Child, fork
from tests.mutants.edits import EditError, Mutant, Sources, read_mutants

LARGE = (
    "torch",
    "transformers",
    "mlflow.store.tracking.sqlalchemy_store",
    "kedro.framework.session",
    "pandas",
    "pyarrow.parquet",
    "datasets",
    "sklearn.metrics",
    "scipy.stats",
    "statsmodels.stats.power",
    "hypothesis",
)

PATIENCE = 300.0
"""Seconds for the killers of one mutant; one that needs more has no end."""

KILLED, SURVIVED, BROKEN = "killed", "SURVIVED", "BROKEN"

PYTEST = ("-q", "-x", "-rfE", "--tb=no", "-p", "no:cacheprovider", "-m", "not slow")

ELSEWHERE = 99
"""Exit code where Python would not test the copy."""

_FAILURE = re.compile(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+?\.py::.*?)(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant: killed, survived or broken, how long it took, and by what."""

    mutant: Mutant
    word: str
    seconds: float
    by: str

    def __str__(self) -> str:
        return f"{self.word:<8} {self.seconds:5.1f} s  {self.mutant}  {self.by}".rstrip()


class Copy:
    """A copy of src in which one mutant at a time lives.

    Compiled files are kept, since tests would spend their time on compiling. Python tells a changed
    source by its second and size alone, so each edit gets a second of its own.
    """

    def __init__(self, source: Path, folder: Path, project: Path) -> None:
        self.src = folder / "src"
        self._log, self._project = folder / "log", project
        self._edits = 0
        shutil.copytree(source, self.src, ignore=shutil.ignore_patterns("*.egg-info"))
        self._sources = Sources(self.src)

    def try_one(self, mutant: Mutant) -> Iterator[Outcome | None]:
        """Make a mistake and run its killers; yields None until the outcome is there."""
        path, text = self._sources.apply(mutant)
        before, stat = path.read_bytes(), path.stat()
        self._edits += 1
        path.write_text(text, "utf-8")
        os.utime(path, (stat.st_atime, stat.st_mtime + self._edits * 10))
        started = time.monotonic()
        child = self.test(mutant.killers)
        while child.running() and time.monotonic() - started < PATIENCE:
            yield None
        code = child.code if child.code is not None else child.kill()
        path.write_bytes(before)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        yield Outcome(mutant, *_fate(code, time.monotonic() - started, child.said))

    def test(self, tests: Iterable[str]) -> Child:
        """Run tests on the copy as it is."""
        words = [*PYTEST, *tests]

        def work() -> int:
            os.chdir(self._project)
            # Real GLUE files would make a mutant's fate depend on the machine.
            for name in ("ALPKD_GLUE_DIR", "PYTHONDONTWRITEBYTECODE"):
                os.environ.pop(name, None)
            os.environ["PYTHONPATH"] = str(self.src)
            sys.dont_write_bytecode = False
            sys.path.insert(0, str(self.src))
            for package in self.src.glob("*/__init__.py"):
                found = importlib.import_module(package.parent.name).__file__
                if found != str(package):
                    print(f"{package.parent.name} is not imported from the copy: {found}")
                    return ELSEWHERE
            return int(pytest.main(words))

        return fork(work, self._log)


def _fate(code: int, seconds: float, said: str) -> tuple[str, float, str]:
    if code == pytest.ExitCode.TESTS_FAILED:
        failure = _FAILURE.search(said)
        return KILLED, seconds, failure[1] if failure else said
    if seconds >= PATIENCE:
        return KILLED, seconds, "no end"
    return (SURVIVED, seconds, "") if code == 0 else (BROKEN, seconds, said)


def run(mutants: Sequence[Mutant], source: Path, project: Path, workers: int = 2) -> int:
    """Try mutants and print what became of them.

    Args:
        mutants: in the order in which they are begun.
        source: the folder that holds the package; it stays as it is.
        project: where the killers are run.
        workers: how many are tried at once.

    Returns:
        The exit code: 1 if a mutant survived or could not be tried, or a killer fails without any.
    """
    sources = Sources(source)
    for mutant in mutants:
        try:
            sources.apply(mutant)
        except EditError as error:
            print(error)
            return 1
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        first = Copy(source, Path(name, "0"), project)
        killers = sorted({killer for mutant in mutants for killer in mutant.killers})
        print(f"{len(killers)} tests without any mutant ...", flush=True)
        whole = first.test(killers)
        if whole.wait(PATIENCE * len(killers)):
            print(f"{whole.said}\nthe tests do not pass without any mutant")
            return 1
        more = (Copy(first.src, Path(name, str(i)), project) for i in range(1, workers))
        return _report(_try_all(mutants, [first, *more]), len(mutants))


def _try_all(mutants: Sequence[Mutant], copies: Sequence[Copy]) -> Iterator[Outcome]:
    """The outcomes as they come; each copy has one mutant at a time."""
    waiting = deque(mutants)
    busy: dict[Copy, Iterator[Outcome | None]] = {}
    while waiting or busy:
        for copy in copies:
            if copy not in busy and waiting:
                busy[copy] = copy.try_one(waiting.popleft())
            outcome = next(busy[copy]) if copy in busy else None
            if outcome is not None:
                del busy[copy]
                yield outcome
        time.sleep(0.01)


def _report(outcomes: Iterable[Outcome], total: int) -> int:
    started, alive = time.monotonic(), []
    for number, outcome in enumerate(outcomes, start=1):
        print(f"{number:3d}/{total}  {outcome}", flush=True)
        if outcome.word != KILLED:
            alive.append(outcome)
    print(f"{total - len(alive)} of {total} killed in {time.monotonic() - started:.0f} s")
    for outcome in alive:
        print(f"  {outcome}")
    return 1 if alive else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make test-mutants", description=__doc__)
    parser.add_argument("--workers", type=int, default=2, help="how many at once")
    parser.add_argument("--only", default="", help="mutants whose line holds this text")
    asked = parser.parse_args()
    chosen = [mutant for mutant in read_mutants() if asked.only.lower() in str(mutant).lower()]
    if not chosen:
        print(f"no mutant's line holds {asked.only!r}")
        return 1
    for name in LARGE:
        importlib.import_module(name)
    return run(chosen, PROJECT / "src", PROJECT, asked.workers)


if __name__ == "__main__":
    sys.exit(main())
