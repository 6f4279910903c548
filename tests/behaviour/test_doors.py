"""Every door is the same door: whichever runner, session, server or single node asks, a result is
made once, published whole, tracked once, and used by all others."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest
from tests.databases import initialised_database
from tests.projects import copied_project

from alpkd_pipeline.store.artifact import lacking
from alpkd_pipeline.store.manifest import read_manifest
from alpkd_pipeline.store.verify import verify_store

SHORT = "task.train_rows=64,training.epochs=1,teacher.training.epochs=1,student.layers=1"
OURS = "alpkd_pipeline.project.runner.StageRunner"
RUNNERS = ("SequentialRunner", "ThreadRunner", "ParallelRunner", OURS)
PAIRS = [*combinations_with_replacement(RUNNERS, 2)]
DISTILLED = 7
"""Results of the pipeline `distill`."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return initialised_database(tmp_path_factory)


class Door:
    """A project of its own with an empty store and a tracking database."""

    def __init__(self, root: Path, database: Path) -> None:
        self.root = copied_project(root / "project", tracking=f"sqlite:///{root}/mlflow.db")
        self.store = self.root / "data"
        self.database = root / "mlflow.db"
        self.database.write_bytes(database.read_bytes())

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "kedro", *arguments]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.root, text=True, **pipes)

    def run(self, *arguments: str) -> str:
        process = self.start("run", f"--params={SHORT}", *arguments)
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
        return said

    def published(self) -> dict[str, int]:
        """The inode of each manifest by its folder."""
        found = self.store.rglob("manifest.json")
        kept = [m for m in found if ".checkpoints" not in m.parts]
        return {str(m.parent.relative_to(self.store)): m.stat().st_ino for m in kept}

    def trainings(self) -> list[tuple[str, str]]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            query = "select name, status from runs where lifecycle_stage = 'active' order by name"
            return connection.execute(query).fetchall()

    def assert_sound(self, results: int = DISTILLED) -> dict[str, int]:
        """Everything is there once, whole, and nobody has left anything."""
        found = self.published()
        assert len(found) == results
        for folder in found:
            manifest = read_manifest(self.store / folder)
            assert manifest is not None
            assert lacking(manifest["stage"], manifest["files"]) == []
        assert [str(path) for path in self.store.rglob("*.work")] == []
        report = verify_store(self.store)
        assert report.findings == []
        return found


@pytest.fixture
def door(tmp_path: Path, database: Path) -> Door:
    return Door(tmp_path, database)


@pytest.mark.slow
@pytest.mark.parametrize("pair", PAIRS, ids=["+".join(r.split(".")[-1] for r in p) for p in PAIRS])
def test_two_runs_at_once_make_one_of_each(door: Door, pair: Sequence[str]) -> None:
    def both() -> None:
        arguments = ["run", "--pipeline=distill", f"--params={SHORT}"]
        started = [door.start(*arguments, f"--runner={runner}") for runner in pair]
        for process in started:
            said, _ = process.communicate(timeout=600)
            assert process.returncode == 0, said

    both()
    first = door.assert_sound()
    trainings = door.trainings()
    assert [status for _, status in trainings] == ["FINISHED", "FINISHED"]
    assert len({name for name, _ in trainings}) == 2
    both()
    assert door.assert_sound() == first
    assert door.trainings() == trainings


@pytest.mark.slow
def test_each_node_by_itself_makes_its_result_once(door: Door) -> None:
    nodes = ("prepare_splits", "encode_splits", "finetune_teacher", "score_teacher")
    nodes += ("record_signals", "distill_student", "score_student")
    for node in nodes:
        door.run(f"--nodes={node}", "--runner=SequentialRunner")
    first = door.assert_sound()
    for node in nodes:
        assert "making" not in door.run(f"--nodes={node}", "--runner=SequentialRunner")
    assert door.assert_sound() == first


SESSION = """
import sys
from pathlib import Path
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

bootstrap_project(Path.cwd())
given = {"task": {"train_rows": 64}, "training": {"epochs": 1}, "student": {"layers": 1}}
given["teacher"] = {"training": {"epochs": 1}}
for _ in range(2):
    with KedroSession.create(Path.cwd(), runtime_params=given) as session:
        session.run(pipeline_names=["distill"])
    print(sorted(str(p.stat().st_ino) for p in Path("data").rglob("manifest.json")))
"""


@pytest.mark.slow
def test_a_session_makes_nothing_again(door: Door) -> None:
    command = [sys.executable, "-c", SESSION]
    done = subprocess.run(command, cwd=door.root, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    first, second = [line for line in done.stdout.splitlines() if line.startswith("['")]
    assert first == second
    door.assert_sound()


@contextmanager
def serving(door: Door) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = door.start("server", "start", "--host=127.0.0.1", f"--port={port}")
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=60)


def post(address: str, **request: Any) -> dict[str, Any]:
    body = json.dumps(request).encode()
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(f"{address}/run", body, headers)
    with urllib.request.urlopen(asked, timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def given(**more: Any) -> dict[str, Any]:
    short = {"training": {"epochs": 1}, "student": {"layers": 1}}
    return {**short, "teacher": {"training": {"epochs": 1}}, **more}


@pytest.mark.slow
def test_a_server_makes_what_it_is_asked_for_once(door: Door) -> None:
    request = {"pipeline_names": ["distill"], "params": given(task={"train_rows": 64})}
    with serving(door) as address:
        predictions = [post(address, **request)]
        first = door.assert_sound()
        predictions.append(post(address, **request))
    assert [answer["status"] for answer in predictions] == ["success", "success"], predictions
    assert door.assert_sound() == first
    assert [status for _, status in door.trainings()] == ["FINISHED", "FINISHED"]


@pytest.mark.slow
def test_requests_of_different_parameters_at_once_do_not_mix(door: Door) -> None:
    lengths = (64, 48, 40, 32)
    requests = [
        {
            "pipeline_names": ["data_prep"],
            "params": given(task={"train_rows": 64, "max_length": length}),
        }
        for length in lengths
    ]
    with serving(door) as address, ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            predictions = [*pool.map(lambda request: post(address, **request), requests)]
            assert [answer["status"] for answer in predictions] == ["success"] * 4, predictions
            found = door.assert_sound(results=5)
    encoded = sorted(name.split("/")[-1] for name in found if "/encoded/" in name)
    assert [name.rpartition("-")[0] for name in encoded] == [
        f"demo-{length}t" for length in sorted(lengths)
    ]
