from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.reporting.conftest import Store

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.reproduce.run import latest_green
from alpkd_pipeline.store.layout import RERUN_REPORTS
from alpkd_pipeline.store.manifest import read_json, read_manifest, seal, write_json


def comparison(store: Store, name: str, folders: list[Path], age: int = 0) -> Path:
    """A comparison of some students, as old as wanted."""
    folder = store.root / "08_reporting/comparison" / name
    rows = []
    for path in folders:
        run = read_json(path / "run.json")
        params = run["params"]
        rows.append(
            {
                "task": "mrpc",
                "method": params["method"]["name"],
                "layers": 4,
                "seed": params["seed"],
                "key": (read_manifest(path) or {})["key"],
                "path": path.relative_to(store.root).as_posix(),
            }
        )
    write_json(folder / "comparison.json", {"students": rows})
    seal(folder, {"key": name * 8})
    os.utime(folder / "manifest.json", (1_700_000_000 - age, 1_700_000_000 - age))
    return folder


def drifted(store: Store, folder: Path, verdict: str = "drifted", when: str = "1") -> None:
    key = (read_manifest(folder) or {})["key"]
    experiments = [{"original": key, "verdict": verdict}]
    write_json(
        store.root / RERUN_REPORTS / f"2026031{when}-000000-x" / "rerun.json",
        {"cells": experiments},
    )


def names(store: Store, **where: object) -> list[str]:
    return [run.path.name[:8] for run in latest_green(store.root, where).runs]


def test_the_newest_one(store: Store) -> None:
    students = [store.student(seed) for seed in range(2)]
    comparison(store, "aaaaaaaa", students[:1], age=10)
    comparison(store, "bbbbbbbb", students)
    green = latest_green(store.root, {})
    assert green.folder.name == "bbbbbbbb"
    assert [run.path for run in green.runs] == students
    assert green.passed_over == []


def test_some_of_its_experiments(store: Store) -> None:
    comparison(store, "aaaaaaaa", [store.student(seed) for seed in range(3)])
    assert names(store, seed=[0, 2]) == ["kd-4L-s0", "kd-4L-s2"]
    with pytest.raises(UserError, match="no student that fits the filter"):
        names(store, method=["pkd"])


def test_a_damaged_comparison_or_student_is_passed_over(store: Store) -> None:
    students = [store.student(seed) for seed in range(2)]
    comparison(store, "aaaaaaaa", students[:1], age=10)
    newer = comparison(store, "bbbbbbbb", students)
    (students[1] / "metrics.json").write_text("{}")
    green = latest_green(store.root, {})
    assert green.folder.name == "aaaaaaaa"
    assert "bbbbbbbb is passed over" in green.passed_over[0]
    assert "metrics.json is damaged" in green.passed_over[0]
    (newer / "comparison.json").write_text("{}")
    assert "comparison.json is damaged" in latest_green(store.root, {}).passed_over[0]


def test_a_damaged_teacher_is_no_green_one(store: Store) -> None:
    teacher = store.teacher()
    comparison(store, "aaaaaaaa", [store.student(seed) for seed in range(2)])
    assert len(names(store)) == 2
    metrics = teacher / "metrics.json"
    metrics.write_text(metrics.read_text().replace("0.92", "0.93"))
    with pytest.raises(UserError, match=r"no green comparison.*demo-s0-aaaaaaaa.*is damaged"):
        latest_green(store.root, {})


def test_a_student_that_drifted_is_green_again_once_it_does_not(store: Store) -> None:
    student = store.student(0)
    comparison(store, "aaaaaaaa", [student])
    drifted(store, student)
    with pytest.raises(UserError, match=r"no green comparison.*drifted.*kedro rerun 00000000"):
        latest_green(store.root, {})
    drifted(store, student, "failed", when="2")
    with pytest.raises(UserError, match="drifted"):
        latest_green(store.root, {})
    drifted(store, student, "bitwise equal", when="3")
    assert names(store) == ["kd-4L-s0"]


def test_no_comparison_says_how_to_make_one(store: Store) -> None:
    with pytest.raises(UserError, match="--pipeline=compare"):
        latest_green(store.root, {})
