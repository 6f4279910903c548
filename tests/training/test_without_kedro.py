"""Training on a machine that has torch and transformers, but none of the workflow's packages."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.manifest import is_complete, read_json, sha256_file
from alpkd_pipeline.training.dispatch import run_stage

BLOCKED = ("kedro", "mlflow", "pydantic", "datasets", "evaluate", "rich", "matplotlib")

SCRIPT = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({BLOCKED!r}))  # None: not to be had
sys.argv[0] = "alpkd_pipeline.training"
runpy.run_module("alpkd_pipeline.training", run_name="__main__")
"""


def train(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, folders)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=300,
    )


def test_teacher_and_student_train_without_the_workflow(begin, encoded, tmp_path: Path) -> None:
    teacher = begin("teacher", "teacher", {"encoded": encoded, "model": DEMO_FOLDER})
    inputs = {"encoded": encoded, "teacher": teacher, "signals": tmp_path / "signals"}
    student = begin("student", "student", inputs)
    done = train(teacher, student)
    assert done.returncode == 0, done.stderr
    assert is_complete(teacher, "teacher")
    assert is_complete(student, "student")
    # The signals were not there: the student's training recorded them first.
    assert (tmp_path / "signals" / "train.layers.npy").is_file()
    assert "attention" in read_json(student / "metrics.json")

    # The same folder trained inside the workflow comes out bitwise the same.
    again = run_stage(begin("again", "student", inputs))
    name = "model.safetensors"
    assert sha256_file(again / name) == sha256_file(student / name)


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    done = train(tmp_path / "nothing")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "run.json does not exist" in done.stderr


@pytest.mark.parametrize("name", BLOCKED)
def test_the_blocker_blocks(name: str) -> None:
    script = SCRIPT.split("sys.argv[0]")[0] + f"import {name}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "ModuleNotFoundError" in done.stderr
