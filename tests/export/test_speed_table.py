from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from alpkd_pipeline.export.gate import outcome_line
from alpkd_pipeline.export.speed import speed_rows, speed_table
from alpkd_pipeline.store.manifest import seal


def form(name: str, engine: str, precision: str, p50: float) -> dict[str, Any]:
    return {
        "name": name,
        "engine": engine,
        "precision": precision,
        "one": {"p50_ms": p50, "p95_ms": 2 * p50},
        "batch": {"rows_per_second": 1234.5},
        "disk_mb": 52.34,
        "memory_mb": 99.6,
    }


SPEED = {
    "threads": 1,
    "processor": "a processor",
    "forms": [
        form("student, ONNX int8", "onnx", "int8", 4.0),
        form("student, torch fp32", "torch", "fp32", 25.0),
        form("teacher, torch fp32", "torch", "fp32", 80.0),
        form("teacher, torch bf16", "torch", "bf16", 40.0),
    ],
}


def test_each_form_is_held_against_the_teacher_in_fp32() -> None:
    rows = speed_rows(SPEED)
    assert rows[0] == ["student, ONNX int8", "4.00", "8.00", "1,234", "52.3", "100", "20.0 x"]
    assert [row[-1] for row in rows] == ["20.0 x", "3.2 x", "1.0 x", "2.0 x"]


def test_a_teacher_alone_is_held_against_itself() -> None:
    assert [row[-1] for row in speed_rows({"forms": SPEED["forms"][2:]})] == ["1.0 x", "2.0 x"]


def test_the_table_fits_a_terminal_and_the_line_names_what_is_served(tmp_path: Path) -> None:
    forms = [{"form": "fp32", "outcome": "passes"}, {"form": "int8", "outcome": "fails"}]
    (tmp_path / "speed.json").write_text(json.dumps(SPEED))
    (tmp_path / "gate.json").write_text(json.dumps({"forms": forms, "serve": "fp32"}))
    seal(tmp_path, {"stage": "student_export", "key": "k" * 64, "made_from": {}})
    console = Console(width=80, record=True, file=(tmp_path / "said").open("w"))
    console.print(speed_table(tmp_path))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("one text at a time, tokenizer included, 1 thread, a processor")
    assert any(
        line.split()[:3] == ["student,", "ONNX", "int8"] and "20.0 x" in line for line in lines
    )
    assert outcome_line(tmp_path) == "gate: fp32 passes, int8 fails; served: fp32"
