"""Makes each mistake of the lists in a copy of src and runs the tests that should notice it.

    python -m tests.mutants.run [--workers 2] [--only TEXT]

First the tests run on the copy as it is. Then one line a mutant: killed and by which test, or
SURVIVED. The exit code is 1 if one survived or could not be tried.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.edits import Mutant, Sources, read_mutants

PROJECT = Path(__file__).parents[2]

PATIENCE = 180.0
"""Seconds for the killers of one mutant; who needs more is at a loss for ever."""

KILLED, SURVIVED, BROKEN = "killed", "SURVIVED", "BROKEN"

PYTEST = ("-m", "pytest", "-q", "-x", "-rfE", "--tb=no", "-p", "no:cacheprovider")

FAILED = 1
"""pytest's exit code for tests that failed; others mean that they did not run."""

_FAILURE = re.compile(r"^(?:FAILED|ERROR) \S*?([^/\s]+)(?: - |$)", re.MULTILINE)


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

    Compiled files are kept, since a test run would spend most of its time on compiling. Python
    knows a changed source by its second and size alone, so each edit gets a second of its own.
    """

    def __init__(self, source: Path, folder: Path, project: Path) -> None:
        self.src = folder / "src"
        self.project = project
        self._edits = 0
        shutil.copytree(source, self.src, ignore=shutil.ignore_patterns("*.egg-info"))
        self._sources = Sources(self.src)

    def try_one(self, mutant: Mutant) -> Outcome:
        """Make a mistake, run its killers, and put the file back."""
        path, text = self._sources.apply(mutant)
        before, stat = path.read_bytes(), path.stat()
        self._edits += 1
        path.write_text(text, "utf-8")
        os.utime(path, (stat.st_atime, stat.st_mtime + self._edits * 10))
        started = time.perf_counter()
        try:
            word, by = self._outcome(mutant)
        finally:
            path.write_bytes(before)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return Outcome(mutant, word, time.perf_counter() - started, by)

    def _outcome(self, mutant: Mutant) -> tuple[str, str]:
        try:
            done = self.test(mutant.killers, PATIENCE)
        except subprocess.TimeoutExpired:
            return KILLED, f"no end within {PATIENCE:.0f} s"
        if done.returncode == FAILED:
            found = _FAILURE.search(done.stdout)
            return KILLED, found[1] if found else ""
        return (SURVIVED, "") if done.returncode == 0 else (BROKEN, done.stdout + done.stderr)

    def test(
        self, tests: Iterable[str], timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run tests on the copy as it is."""
        return subprocess.run(
            [sys.executable, *PYTEST, *tests],
            cwd=self.project,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def imported_from(self, package: str) -> Path:
        """Where the tests' Python finds a package."""
        words = f"import {package}; print({package}.__file__)"
        found = subprocess.run(
            [sys.executable, "-c", words],
            cwd=self.project,
            env=self._environment(),
            capture_output=True,
            text=True,
        )
        return Path(found.stdout.strip())

    def _environment(self) -> dict[str, str]:
        # Real GLUE files would make a mutant's fate depend on the machine.
        left_out = ("ALPKD_GLUE_DIR", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
        found = {name: value for name, value in os.environ.items() if name not in left_out}
        return found | {"PYTHONPATH": str(self.src)}


def run(
    mutants: Sequence[Mutant], source: Path, project: Path, package: str, workers: int = 2
) -> int:
    """Try mutants and print what became of them.

    Args:
        mutants: in the order in which they are begun.
        source: the folder that holds the package; it stays as it is.
        project: where the killers are run.
        package: the package's name.
        workers: how many are tried at once.

    Returns:
        The exit code: 1 if a mutant survived or could not be tried, or a killer fails without any.
    """
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        first = Copy(source, Path(name, "0"), project)
        if not first.imported_from(package).is_relative_to(first.src):
            print(f"{package} is not imported from the copy, but from elsewhere")
            return 1
        killers = sorted({killer for mutant in mutants for killer in mutant.killers})
        done = first.test(killers)
        if done.returncode:
            print(f"{done.stdout}{done.stderr}\nthe tests do not pass without any mutant")
            return 1
        print(f"{len(killers)} tests pass without any mutant", flush=True)
        more = (Copy(first.src, Path(name, str(i)), project) for i in range(1, workers))
        return _try_all(mutants, [first, *more])


def _try_all(mutants: Sequence[Mutant], copies: Sequence[Copy]) -> int:
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def one(mutant: Mutant) -> Outcome:
        copy = free.get()
        try:
            return copy.try_one(mutant)
        finally:
            free.put(copy)

    started, outcomes = time.perf_counter(), []
    with ThreadPoolExecutor(len(copies)) as pool:
        for waiting in as_completed([pool.submit(one, mutant) for mutant in mutants]):
            outcomes.append(waiting.result())
            print(f"{len(outcomes):3d}/{len(mutants)}  {outcomes[-1]}", flush=True)
    alive = [outcome for outcome in outcomes if outcome.word != KILLED]
    seconds = time.perf_counter() - started
    print(f"{len(outcomes) - len(alive)} of {len(outcomes)} killed in {seconds:.0f} s")
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
    return run(chosen, PROJECT / "src", PROJECT, "alpkd_pipeline", asked.workers)


if __name__ == "__main__":
    sys.exit(main())
