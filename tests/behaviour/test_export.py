"""A finished demo student as a user publishes it, with real processes and a real database."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest
from tests.behaviour.conftest import Demo
from tests.conftest import Kedro

from alpkd_pipeline.export.runtime import Published
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import verify

EXPORTS = "06_models/exports/demo"
QUICK = "student.layers=2,export.repeats=40,export.batches=2"


@pytest.fixture(scope="module")
def own(demo: Demo, kedro: Kedro, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A copy of the demo's store, without its database."""
    made = Demo(tmp_path_factory.mktemp("exports"), kedro)
    shutil.copytree(demo.store, made.store)
    return made


@pytest.fixture(scope="module")
def exported(own: Demo) -> tuple[Demo, str]:
    done = own.run(f"{QUICK},export.register=demo-model", pipeline="export")
    assert done.returncode == 0, done.stderr
    return own, done.stdout + done.stderr


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
def test_a_gate_that_nothing_passes_publishes_nothing(own: Demo) -> None:
    given = f"{QUICK},run.tracking=off,export.gate.fp32.classification.logits=1.0e-12"
    done = own.run(given, pipeline="export")
    assert done.returncode == 1
    (line,) = (one for one in done.stderr.splitlines() if one.startswith("Error: "))
    assert "the gate refuses the export, nothing is published: fp32 fails: largest diff" in line
    assert not [*own.store.glob(f"{EXPORTS}/*.work/README.md")]


@pytest.mark.slow
def test_a_teacher_is_published_too(own: Demo) -> None:
    done = own.run(f"{QUICK},run.tracking=off", pipeline="export_teacher")
    assert done.returncode == 0, done.stderr
    (folder,) = (m.parent for m in own.store.glob(f"{EXPORTS}/demo-s0-*/manifest.json"))
    names = {one["name"] for one in read_json(folder / "speed.json")["forms"]}
    assert names == {
        f"teacher, {form}" for form in ("ONNX fp32", "ONNX int8", "torch fp32", "torch bf16")
    }
    assert json.loads((folder / "export.json").read_text())["labels"] == ["negative", "positive"]


@pytest.mark.slow
def test_a_damaged_export_is_named_with_what_makes_it_again(
    exported: tuple[Demo, str], kedro: Kedro
) -> None:
    demo, _ = exported
    folder = next(f.parent for f in demo.store.glob(f"{EXPORTS}/alp_kd*/manifest.json"))
    (folder / "runtime.py").write_text("raise SystemExit")
    done = kedro("verify", f"--params=run.store={demo.store}")
    assert done.returncode != 0
    (line,) = (one for one in done.stdout.splitlines() if "rm -r" in one)
    assert folder.name in line
    assert "kedro run --pipeline=export " in line
    assert "student.layers=2" in line


@pytest.mark.slow
def test_a_name_to_register_needs_tracking(own: Demo) -> None:
    given = f"{QUICK},seed=77,run.tracking=off,export.register=x"
    done = own.run(given, pipeline="export")
    assert done.returncode == 1
    # Found out before anything is trained.
    assert not [*own.store.glob("06_models/students/demo/*-s77-*")]
    assert "'export.register' = 'x' needs run.tracking, which is off" in done.stderr
