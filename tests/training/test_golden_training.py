"""A whole small training, kept in tests/golden/training.json: it says when numbers move.

A teacher and a student of the demo task, 96 rows, two epochs, one thread. Losses hold everywhere to
1e-5; weights bitwise on the kinds of machine that are recorded. After a deliberate change of what a
training computes, write it again and read the difference before committing:

    ALPKD_WRITE_GOLDEN=1 python -m pytest tests/training/test_golden_training.py
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
import torch
from tests.training.conftest import Make

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.fingerprint import processor
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.training.dispatch import run_stage

GOLDEN = Path(__file__).parents[1] / "golden" / "training.json"


def machine() -> str:
    """What equal bytes depend on, beside one thread."""
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"{processor()[0]}, {kernels}, torch {torch.__version__.partition('+')[0]}"


def losses(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["event"] == "step"]


@pytest.fixture
def trained(begin: Make, encoded: Path) -> dict[str, Path]:
    epochs = {"training__epochs": 2, "teacher__training__epochs": 2}
    inputs = {"encoded": encoded}
    teacher = run_stage(begin("teacher", "teacher", inputs | {"model": DEMO_FOLDER}, **epochs))
    inputs |= {"teacher": teacher}
    signals = run_stage(begin("signals", "signals", inputs, **epochs))
    student = run_stage(begin("student", "student", inputs | {"signals": signals}, **epochs))
    return {"teacher": teacher, "student": student}


def test_numbers_move_only_when_somebody_means_it(trained: dict[str, Path]) -> None:
    found = {name: losses(folder) for name, folder in trained.items()}
    weights = {
        name: hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
        for name, folder in trained.items()
    }
    if os.environ.get("ALPKD_WRITE_GOLDEN"):
        write_json(GOLDEN, {"losses": found, "weights": {machine(): weights}})
    golden = json.loads(GOLDEN.read_text("utf-8"))
    for name, steps in golden["losses"].items():
        assert len(steps) > 5
        assert len(found[name]) == len(steps)
        for step, (seen, kept) in enumerate(zip(found[name], steps, strict=True)):
            assert seen == pytest.approx(kept, rel=1e-5), f"{name}, logged step {step}"
    if machine() in golden["weights"]:
        assert weights == golden["weights"][machine()]
