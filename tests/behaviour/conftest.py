"""One store with the finished demo experiment, made once for all tests of all workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock
from tests.conftest import Kedro


class Demo:
    """The demo's store and the command that makes it."""

    def __init__(self, root: Path, kedro: Kedro) -> None:
        self.root = root
        self.store = root / "store"
        self.database = root / "mlflow.db"
        self._kedro = kedro

    def run(self, params: str = "", *options: str, pipeline: str = "distill"):
        given = [f"run.store={self.store}", f"run.tracking=sqlite:///{self.database}", params]
        return self._kedro(
            "run",
            f"--pipeline={pipeline}",
            "--params=" + ",".join(part for part in given if part),
            *options,
        )

    def one(self, place: str) -> Path:
        """The only finished folder below a place of the store."""
        (found,) = (m.parent for m in self.store.glob(f"{place}/*/manifest.json"))
        return found


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, kedro: Kedro) -> Demo:
    """The demo after `kedro run --pipeline=distill` with a student of 2 layers."""
    base = tmp_path_factory.getbasetemp()
    # Workers of one session share their parent folder; without workers it outlives the session.
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    with FileLock(f"{root}.lock"):
        root.mkdir(exist_ok=True)
        made = Demo(root, kedro)
        log = root / "first-run.txt"
        if not log.exists():
            done = made.run("student.layers=2")
            assert done.returncode == 0, done.stderr
            log.write_text(done.stdout + done.stderr)
    return made
