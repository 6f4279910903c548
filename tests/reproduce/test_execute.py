from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.reporting.conftest import PARAMS
from tests.reproduce.conftest import BROUGHT, write_run

from alpkd_pipeline.reproduce.execute import WorkerProcess, made_run

WORKER = """
import json, os, sys
for line in sys.stdin:
    job = json.loads(line)
    print("hello", job["name"], os.getcwd(), file=sys.stderr)
    if job["name"] == "dies":
        print("the last words", file=sys.stderr)
        sys.stderr.flush()
        os._exit(3)
    done = {"state": "done"} if job["name"] == "good" else {"state": "failed", "error": "no rows"}
    print(json.dumps(done | {"asked": job["pipeline"]}), flush=True)
"""


def worker(root: Path, place: str = "experiments") -> WorkerProcess:
    """One whose source is a package of the same name with a worker that only pretends."""
    package = root / "src" / "alpkd_pipeline"
    folder = package / place
    folder.mkdir(parents=True)
    (folder / "worker.py").write_text(WORKER)
    while folder != package.parent:
        (folder / "__init__.py").touch()
        folder = folder.parent
    return WorkerProcess(root, root / "src", root / "logs" / "rerun.log")


def test_it_runs_the_code_that_it_is_given(tmp_path: Path) -> None:
    with worker(tmp_path) as shop:
        assert shop.make("student", {}, "good") is None
        assert shop.make("teacher", {}, "good") is None
    log = (tmp_path / "logs/rerun.log").read_text().splitlines()
    assert log == [f"hello good {tmp_path}"] * 2


def test_an_older_commit_has_its_worker_elsewhere(tmp_path: Path) -> None:
    with worker(tmp_path, "orchestration/sweep") as shop:
        assert shop.make("student", {}, "good") is None


def test_a_failure_is_a_line_that_names_the_log(tmp_path: Path) -> None:
    with worker(tmp_path) as shop:
        said = shop.make("student", {}, "bad")
        assert said == f"no rows [log: {tmp_path}/logs/rerun.log]"
        assert shop.make("student", {}, "good") is None


def test_a_process_that_dies_is_told_and_replaced(tmp_path: Path) -> None:
    with worker(tmp_path) as shop:
        said = shop.make("student", {}, "dies") or ""
        assert "exit code 3" in said
        assert said.endswith(": the last words")
        assert shop.make("student", {}, "good") is None


def test_what_was_made_is_found_by_its_parameters(tmp_path: Path) -> None:
    made = write_run(tmp_path)
    params = {**PARAMS, "run": {"store": "elsewhere"}}
    found = made_run(tmp_path, "student", params)
    assert found is not None
    assert found.path == made.path
    assert made_run(tmp_path, "student", {**params, "seed": 5}) is None
    assert made_run(tmp_path, "teacher", params) is None


@pytest.mark.parametrize("newest", ["1", "2"])
def test_of_several_the_newest_counts(tmp_path: Path, newest: str) -> None:
    for digit in ("1", "2"):
        made = write_run(tmp_path, key=digit * 64)
        seconds = 2_000_000_000 if digit == newest else 1_000_000_000
        os.utime(made.path / "manifest.json", (seconds, seconds))
    found = made_run(tmp_path, "student", PARAMS)
    assert found is not None
    assert found.key == newest * 64


def test_a_brought_teacher_in_the_store_is_in_nobodys_way(tmp_path: Path) -> None:
    brought = write_run(tmp_path, stage="teacher", key="1" * 64, run=BROUGHT)
    os.utime(brought.path / "manifest.json", (2_000_000_000, 2_000_000_000))
    made = write_run(tmp_path, stage="teacher", key="2" * 64)
    found = made_run(tmp_path, "teacher", PARAMS)
    assert found is not None
    assert (found.path, found.run, found.metrics) == (made.path, made.run, made.metrics)


def test_newer_code_may_know_more_parameters(tmp_path: Path) -> None:
    more = {**PARAMS, "training": {**PARAMS["training"], "new": 1}}  # type: ignore[dict-item]
    write_run(tmp_path, run={"params": more})
    assert made_run(tmp_path, "student", PARAMS) is not None


def test_a_teacher_is_found_whatever_student_it_was_first_made_for(tmp_path: Path) -> None:
    write_run(tmp_path, stage="teacher", run={"params": {**PARAMS, "seed": 9}})
    assert made_run(tmp_path, "teacher", PARAMS) is not None
