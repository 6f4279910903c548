"""`kedro` commands in processes of their own, on a store that has data, teacher and signals."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import PROJECT

from alpkd_pipeline.store.event_log import read_event_log

SMALL = "task.train_rows=200,teacher.training.epochs=1,student.layers=1,training.threads=1"
LONG = f"{SMALL},training.epochs=60,training.log_every=1,training.checkpoint_every=5"
"""A student of one layer that trains for some seconds."""

STUDENTS = "06_models/students/demo"


def kedro(*arguments: str, project: Path = PROJECT, log: Path) -> subprocess.Popen[bytes]:
    """Start a command.

    Args:
        *arguments: the command and its options.
        project: the project's folder.
        log: its output and errors.
    """
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=project,
            stdout=file,
            stderr=file,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # A shell starts background jobs with Ctrl-C ignored, and children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )


def distill(
    store: Path, log: Path, tracking: str = "off", params: str = LONG, project: Path = PROJECT
) -> subprocess.Popen[bytes]:
    """Start `kedro run --pipeline=distill`."""
    given = f"--params=run.store={store},run.tracking={tracking},{params}"
    return kedro("run", "--pipeline=distill", given, project=project, log=log)


class Prepared:
    """A store with everything but the student; copies of it cost nothing."""

    def __init__(self, root: Path) -> None:
        self.root, self._store = root, root / "prepared"

    def build(self) -> Prepared:
        """Make it, by a student of one epoch."""
        log = self.root / "prepared.txt"
        done = distill(self._store, log, params=f"{SMALL},training.epochs=1").wait(300)
        assert done == 0, log.read_text()
        shutil.rmtree(self._store / "06_models" / "students")
        return self

    def copy(self, name: str) -> Path:
        """A store of one's own."""
        return Path(shutil.copytree(self._store, self.root / name))


def work_of(store: Path) -> Path | None:
    """The folder of the student's training, at work or finished."""
    return next(iter(sorted((store / STUDENTS).glob("*-s*"), key=lambda p: len(p.name))), None)


def steps_done(store: Path) -> int:
    """The last step in the event log of the student's training; 0 before it."""
    folder = work_of(store)
    found = read_event_log(folder)[0] if folder else []
    return max((int(e["step"]) for e in found if e["event"] == "step"), default=0)


def wait_for_step(store: Path, step: int, run: subprocess.Popen[bytes] | None = None) -> None:
    """Until the student's training has come to a step, or its command has ended."""
    deadline = time.monotonic() + 120
    while steps_done(store) < step and (run is None or run.poll() is None):
        assert time.monotonic() < deadline, f"step {step} never came"
        time.sleep(0.02)
