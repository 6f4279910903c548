from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Kedro
from tests.projects import copied_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_project(tmp_path_factory.mktemp("tune") / "project", tracking="off")


def test_a_dry_run_says_what_would_be_tried_and_writes_nothing(project: Path, kedro: Kedro) -> None:
    done = kedro("tune", "--dry-run", "--only=method=kd", "--trials=5", cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == [
        "demo kd 4L  5 trials of 18 possible, 0 done",
        "1 study, 5 trials to run",
    ]
    assert not (project / "data" / "08_reporting").exists()


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--only=seed=1", "Error: --only seed=...: a study is chosen by task, method and layers"),
        ("--only=method=pkd", "Error: --only: no study of tune.yml is method=pkd"),
        ("--only=method=kd|pkd", "Error: --only: no study of tune.yml is method=pkd; "),
        ("--params=training.lr=1", "Error: --params cannot set 'training.lr': it is in the space"),
        ("--params=task.name=rte", "Error: --params cannot set 'task.name': tune.yml"),
        ("--env=nowhere", "Error: no configuration environment 'nowhere'"),
    ],
)
def test_a_mistake_is_one_line(project: Path, kedro: Kedro, option: str, line: str) -> None:
    done = kedro("tune", "--dry-run", option, cwd=project)
    assert done.returncode == 1
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
