"""A finished demo student as a user publishes it, with real processes and a real database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from tests.behaviour.conftest import Demo

from alpkd_pipeline.export.runtime import Published
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import verify

EXPORTS = "06_models/exports/demo"
QUICK = "student.layers=2,export.repeats=40,export.batches=2"


def export_of(demo: Demo) -> Path:
    (found,) = (m.parent for m in demo.store.glob(f"{EXPORTS}/kd*/manifest.json"))
    return found


@pytest.fixture(scope="module")
def exported(demo: Demo) -> tuple[Demo, str]:
    done = demo.run(f"{QUICK},export.register=demo-model", pipeline="export")
    assert done.returncode == 0, done.stderr
    return demo, done.stdout + done.stderr


@pytest.mark.slow
def test_it_tells_the_gate_the_speeds_and_where_the_model_is(exported: tuple[Demo, str]) -> None:
    _, said = exported
    assert "gate: fp32 passes: changed answers 0 % (at most 0, 95 % limit" in said
    assert "gate: int8 " in said
    for form in ("student, ONNX fp32", "student, ONNX int8", "teacher, torch bf16"):
        assert form in said
    assert "served: int8" in said
    assert "models:/demo-model/1 (candidate)" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_folder_is_sealed_and_answers_alone(exported: tuple[Demo, str]) -> None:
    demo, _ = exported
    folder = demo.one(EXPORTS)
    verify(folder)
    assert {"README.md", "runtime.py", "reliability.png", "gate.json"} <= {
        path.name for path in folder.iterdir()
    }
    code = "from runtime import Published; print(Published('.')(['the film was good .'])[0].label)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in ("negative", "positive")
    verify(folder)  # nothing was written beside it
    card = (folder / "README.md").read_text()
    assert "student.layers=2" in card
    assert ": nan" not in card


@pytest.mark.slow
def test_the_same_command_again_makes_nothing_and_no_second_version(
    exported: tuple[Demo, str],
) -> None:
    demo, _ = exported
    before = (demo.one(EXPORTS) / "manifest.json").stat().st_mtime_ns
    done = demo.run(f"{QUICK},export.register=demo-model", pipeline="export")
    assert done.returncode == 0, done.stderr
    assert "models:/demo-model/1 (candidate)" in done.stdout
    assert (demo.one(EXPORTS) / "manifest.json").stat().st_mtime_ns == before
    with sqlite3.connect(demo.database) as rows:
        assert rows.execute("select count(*) from model_versions").fetchone() == (1,)


@pytest.mark.slow
def test_other_bounds_make_another_export_of_the_same_conversion(
    exported: tuple[Demo, str],
) -> None:
    demo, _ = exported
    first = demo.one(EXPORTS)
    onnx = [*demo.store.glob("06_models/onnx/demo/*/manifest.json")]
    done = demo.run(f"{QUICK},export.serve=fp32,run.tracking=off", pipeline="export")
    assert done.returncode == 0, done.stderr
    folders = [m.parent for m in demo.store.glob(f"{EXPORTS}/*/manifest.json")]
    (other,) = (folder for folder in folders if folder != first)
    assert Published(other).form == "fp32"
    assert [*demo.store.glob("06_models/onnx/demo/*/manifest.json")] == onnx
    assert read_json(other / "gate.json")["forms"][0]["outcome"] == "passes"


@pytest.mark.slow
def test_a_gate_that_nothing_passes_publishes_nothing(demo: Demo) -> None:
    given = f"{QUICK},run.tracking=off,export.gate.fp32.classification.logits=1.0e-12"
    done = demo.run(given, pipeline="export")
    assert done.returncode == 1
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("Error: "))
    assert "the gate refuses the export, nothing is published: fp32 fails: largest diff" in line
    assert not [*demo.store.glob(f"{EXPORTS}/*.work/README.md")]


@pytest.mark.slow
def test_a_teacher_is_published_too(demo: Demo) -> None:
    done = demo.run(f"{QUICK},run.tracking=off", pipeline="export_teacher")
    assert done.returncode == 0, done.stderr
    (folder,) = (m.parent for m in demo.store.glob(f"{EXPORTS}/demo-s0-*/manifest.json"))
    names = {one["name"] for one in read_json(folder / "speed.json")["forms"]}
    assert names == {
        f"teacher, {form}" for form in ("ONNX fp32", "ONNX int8", "torch fp32", "torch bf16")
    }
    assert json.loads((folder / "export.json").read_text())["labels"] == ["negative", "positive"]


@pytest.mark.slow
def test_a_name_to_register_needs_tracking(demo: Demo) -> None:
    done = demo.run(f"{QUICK},run.tracking=off,export.register=x", pipeline="export")
    assert done.returncode == 1
    assert "'export.register' = 'x' needs run.tracking, which is off" in done.stderr
