from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.export.conftest import MAX_LENGTH, MakeWorld

from alpkd_pipeline.export import speed
from alpkd_pipeline.export.graph import FORMS
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.export.speed import BATCH, Form, cost_per_million, measure


def forms(world: MakeWorld, tmp_path: Path) -> list[Form]:
    made = world()
    folder = made.export(tmp_path / "export")
    torch = ("model.safetensors", "tokenizer.json")
    return [
        Form("student", "onnx", "int8", folder, (FORMS["int8"], "tokenizer.json")),
        Form("student", "torch", "bf16", made.model, torch),
    ]


def test_forms_are_timed_in_turn(world: MakeWorld, tmp_path: Path) -> None:
    given = forms(world, tmp_path)
    rows = [("w1 w2", "w3"), ("w4", "w5 w6 w7"), ("w8", "w9")]
    found = measure(given, rows, MAX_LENGTH, ExportSettings(repeats=40, batches=3))
    assert [one["name"] for one in found["forms"]] == ["student, ONNX int8", "student, torch bf16"]
    for one, form in zip(found["forms"], given, strict=True):
        assert 0 < one["one"]["tokenizer_p50_ms"] < one["one"]["p50_ms"] <= one["one"]["p95_ms"]
        assert one["one"]["repeats"] == 40
        batch = one["batch"]
        assert (batch["rows"], batch["repeats"]) == (BATCH, 3)
        assert batch["rows_per_second"] == pytest.approx(BATCH / batch["p50_ms"] * 1e3)
        sizes = [(form.folder / file).stat().st_size for file in form.files]
        assert one["disk_mb"] == pytest.approx(sum(sizes) / 1e6)
        assert one["memory_mb"] > 0


def test_each_form_predicts_the_same_rows_block_by_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[str, int]] = []

    class Worker:
        def __init__(self, name: str) -> None:
            self.name = name

        def submit(self, _work: object, calls: list[int]) -> Worker:
            asked.extend((self.name, call) for call in calls)
            self.found = np.array([[call, 1.0] for call in calls])
            return self

        def result(self) -> np.ndarray:
            return self.found

    monkeypatch.setattr(speed, "BLOCKS", 2)
    times = speed._in_turn([Worker("a"), Worker("b")], [0, 1, 2, 3])  # type: ignore[list-item]
    assert "".join(name for name, _ in asked) == "aabbaabb"
    assert [time[:, 0].tolist() for time in times] == [[0, 1, 2, 3]] * 2


@pytest.mark.parametrize(("load", "told"), [(0.4, False), (3.0, True)])
def test_a_busy_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, load: float, told: bool
) -> None:
    monkeypatch.setattr(speed.os, "getloadavg", lambda: (load, 0.0, 0.0))
    found = measure([], [("w1",)], 4, ExportSettings(repeats=1, batches=1))
    assert found["load"] == load
    assert ("the machine is busy (load 3.0)" in caplog.text) is told


def test_a_million_rows_cost_what_their_hours_do() -> None:
    # 3.6 ms a row: a million take an hour.
    assert cost_per_million({"one": {"p50_ms": 3.6}}, 0.5) == pytest.approx(0.5)


def test_the_processor_is_told_with_what_speeds_depend_on() -> None:
    found = measure([], [("w1",)], 4, ExportSettings(repeats=1, batches=1))
    assert found["processor"]
    assert {*found["features"]} <= {*speed.FEATURES}
