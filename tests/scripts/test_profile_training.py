from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from profile_training import kinds_of_work, main, profile_run

from alpkd_pipeline.errors import UserError


def test_steps_are_timed_and_profiled(begin, encoded, teacher, signals, tmp_path: Path) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    student = begin("profiled", "student", inputs, training__epochs=2)
    before = sorted(path.name for path in student.iterdir())
    text = profile_run(student, tmp_path / "out", steps=3).read_text("utf-8")
    assert text.startswith("profiled: ")
    assert " ms a step (" in text
    assert "matrix products" in text
    assert "aten::addmm" in text
    trace = json.loads((tmp_path / "out" / "trace.json").read_text("utf-8"))
    names = [event.get("name", "") for event in trace["traceEvents"]]
    assert sum(name == "Optimizer.step#AdamW.step" for name in names) == 3
    assert sorted(path.name for path in student.iterdir()) == before


def test_a_training_that_is_too_short_is_named(
    begin, encoded, teacher, signals, tmp_path: Path, monkeypatch, capsys
) -> None:
    inputs = {"encoded": encoded, "teacher": teacher, "signals": signals}
    folder = begin("short", "student", inputs)
    monkeypatch.setattr(sys, "argv", ["profile", str(folder), "--out", str(tmp_path / "out")])
    assert main() == 1
    line = (
        f"Error: {folder}: this training has 6 steps and 45 are needed; ask for fewer with --steps"
    )
    assert capsys.readouterr().err.splitlines()[-1] == line


def test_what_cannot_be_profiled_is_refused(begin, encoded, teacher, tmp_path: Path) -> None:
    signals = begin("s", "signals", {"encoded": encoded, "teacher": teacher})
    with pytest.raises(UserError, match="nothing is trained here"):
        profile_run(signals, tmp_path, 3)
    inputs = {"encoded": encoded, "teacher": teacher, "signals": tmp_path / "gone"}
    with pytest.raises(
        UserError, match=r"its input 'signals', .*gone, is gone; make it again first"
    ):
        profile_run(begin("x", "student", inputs), tmp_path, 3)
    assert not (tmp_path / "gone").exists()


def test_operators_are_put_together_by_kind() -> None:
    found = kinds_of_work(
        [
            ("aten::addmm", 3.0),
            ("aten::mm", 1.0),
            ("aten::bernoulli_", 2.0),
            ("Optimizer.step#AdamW.step", 1.0),
            ("aten::_fused_adamw_", 1.0),
            ("aten::_softmax_backward_data", 1.0),
            ("something", 1.0),
        ]
    )
    assert list(found.items()) == [
        ("matrix products", 0.4),
        ("dropout", 0.2),
        ("optimiser", 0.2),
        ("attention", 0.1),
        ("other", 0.1),
    ]
