"""What a run prints of an export: how fast and large each form is, and what the gate said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpkd_pipeline.export.gate import GATE
from alpkd_pipeline.export.speed import SPEED
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

NUMBERS = ("ms", "p95", "rows/s", "disk MB", "RAM MB", "faster")
"""Milliseconds of one text (median, 95th percentile), rows in batches, sizes, and how many times
as fast as the teacher, or the model itself, in torch fp32."""


def speed_rows(speed: dict[str, Any]) -> list[list[str]]:
    """One line a form: its name and `NUMBERS`."""
    forms = speed["forms"]
    plain = [form for form in forms if (form["engine"], form["precision"]) == ("torch", "fp32")]
    base = plain[-1]["one"]["p50_ms"]
    return [
        [
            form["name"],
            f"{form['one']['p50_ms']:.2f}",
            f"{form['one']['p95_ms']:.2f}",
            f"{form['batch']['rows_per_second']:,.0f}",
            f"{form['disk_mb']:,.1f}",
            f"{form['memory_mb']:,.0f}",
            f"{base / form['one']['p50_ms']:.1f} x",
        ]
        for form in forms
    ]


def speed_table(folder: Path) -> Table:
    """The forms of a published folder as a table for the terminal."""
    speed = RunFolder(folder).json(SPEED)
    threads = "1 thread" if speed["threads"] == 1 else f"{speed['threads']} threads"
    title = f"one text at a time, tokenizer included, {threads}, {speed['processor']}"
    return text_table(["form", *NUMBERS], speed_rows(speed), NUMBERS, title)


def outcome_line(folder: Path) -> str:
    """What is served, and what the gate said of each form, in one line."""
    gate = RunFolder(folder).json(GATE)
    said = ", ".join(f"{one['form']} {one['outcome']}" for one in gate["forms"])
    return f"gate: {said}; served: {gate['serve']}"
