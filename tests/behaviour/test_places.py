"""Whole runs in places that are more than a plain folder: names, links, disks, users, addresses."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml
from tests.conftest import PROJECT, Kedro
from tests.users import as_nobody

pytestmark = pytest.mark.slow

NAME = "My%20Prüf[2]?timeout=5 #;&{x}$HOME'q*\"a:b"
SHORT = "training.epochs=1,teacher.training.epochs=1,task.train_rows=200,student.layers=2"


def clone(root: Path) -> Path:
    """The project's configuration and code, with nothing of conf/local."""
    root.mkdir(parents=True)
    for file in ("pyproject.toml", ".telemetry"):
        shutil.copy(PROJECT / file, root)
    for folder in ("conf", "src"):
        ignored = shutil.ignore_patterns("local", "__pycache__")
        shutil.copytree(PROJECT / folder, root / folder, ignore=ignored)
    (root / "conf" / "local").mkdir()
    return root


def runs(database: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(database)
    try:
        query = "select value, status from runs join tags using (run_uuid) where key = 'stage'"
        return sorted(connection.execute(query).fetchall())
    finally:
        connection.close()


def test_a_project_of_any_name_is_tracked_and_writes_nothing_beside_itself(
    tmp_path: Path, kedro: Kedro
) -> None:
    root = clone(tmp_path / "above" / NAME)
    done = kedro("run", f"--params={SHORT}", cwd=root)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    assert "catches up" not in done.stdout + done.stderr
    everything = [("compare", "FINISHED"), ("student", "FINISHED"), ("teacher", "FINISHED")]
    assert runs(root / "mlflow.db") == everything
    tables = list((root / "mlartifacts").glob("*/artifacts/report.html"))
    assert len(tables) == 1
    synced = kedro("sync", cwd=root)
    assert synced.stdout == "2 of 2 runs are in MLflow: make mlflow\n"
    assert kedro("verify", cwd=root).returncode == 0
    assert [path.name for path in (tmp_path / "above").iterdir()] == [NAME]
    assert sorted(path.name for path in root.iterdir()) == [
        ".telemetry",
        "conf",
        "data",
        "mlartifacts",
        "mlflow.db",
        "mlflow.db.lock",
        "pyproject.toml",
        "src",
    ]


def test_models_on_another_disk(tmp_path: Path, kedro: Kedro) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or os.stat(other).st_dev == os.stat(tmp_path).st_dev:
        pytest.skip("no second file system")
    store = tmp_path / "store"
    store.mkdir()
    with tempfile.TemporaryDirectory(dir=other) as disk:
        (store / "06_models").symlink_to(disk)
        places = f"run.store={store},run.tracking=sqlite:///{tmp_path}/mlflow.db"
        params = f"--params={places},{SHORT}"
        done = kedro("run", params)
        assert done.returncode == 0, done.stderr
        student = next(Path(disk).glob("students/demo/*/manifest.json")).parent
        here = store / "06_models" / student.relative_to(disk)
        for command in (("verify",), ("verify", str(here)), ("sync",), ("prune", "--dry-run")):
            found = kedro(*command, f"--params={places}")
            assert found.returncode == 0, found.stdout + found.stderr
        again = kedro("rerun", str(here), "--here", f"--params={places}")
        assert again.returncode == 0, again.stdout + again.stderr
        assert "bitwise equal" in again.stdout
        teacher = next((store / "06_models").glob("teachers/demo/*/manifest.json")).parent
        assert kedro("pair", str(here), str(teacher), f"--params={places}").returncode == 0
        train = [sys.executable, "-m", "alpkd_pipeline.training"]
        work = here.with_name("by-hand")
        work.mkdir()
        shutil.copy(here / "run.json", work)
        by_hand = subprocess.run([*train, str(work)], capture_output=True, text=True, check=False)
        assert by_hand.returncode == 0, by_hand.stderr
        weights = [(folder / "model.safetensors").read_bytes() for folder in (here, work)]
        assert weights[0] == weights[1]


@pytest.mark.parametrize(
    "command",
    [
        ("run",),
        ("sweep",),
        ("sweep", "--dry-run"),
        ("tune",),
        ("pair", "a", "b"),
        ("rerun", "0123abcd"),
        ("rerun", "--latest-green"),
        ("sync",),
        ("verify",),
        ("prune", "--dry-run"),
        ("catalog", "describe-datasets"),
    ],
    ids=" ".join,
)
def test_every_command_refuses_a_store_that_is_an_address(
    command: tuple[str, ...], tmp_path: Path, kedro: Kedro
) -> None:
    root = clone(tmp_path / "project")
    local = {"run": {"store": "s3://bucket/x"}}
    (root / "conf" / "local" / "parameters.yml").write_text(yaml.safe_dump(local))
    before = sorted(root.rglob("*"))
    done = kedro(*command, cwd=root, env={"PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "'run.store' = 's3://bucket/x': is an address, and only folders" in line
    assert sorted(root.rglob("*")) == before


def test_a_user_whom_the_system_does_not_know(tmp_path: Path) -> None:
    root = clone(tmp_path / "project")
    kedro = [sys.executable, "-m", "kedro"]
    done = as_nobody([*kedro, "run", f"--params={SHORT}"], root)
    assert done.returncode == 0, done.stderr
    assert "catches up" not in done.stdout + done.stderr
    assert len(runs(root / "mlflow.db")) == 3
    done = as_nobody([*kedro, "sync"], root)
    assert done.stdout == "2 of 2 runs are in MLflow: make mlflow\n"
    assert not (root / "~").exists()
