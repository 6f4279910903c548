"""Nodes of evaluation: every split, size, submission files, latency, layer geometry."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.run_folder import Work


def evaluate_model(model: Path, encoded: Path, work: Work) -> Path:
    """Predictions and scores on every split, GLUE submission files, size."""
    from alpkd_pipeline.evaluation.run import evaluate_run

    return evaluate_run(model, encoded, work.begin(model=model, encoded=encoded))


def time_model(model: Path, encoded: Path, work: Work) -> Path:
    """Latency and throughput on this machine, on real dev lengths."""
    from alpkd_pipeline.evaluation.run import time_run

    return time_run(model, encoded, work.begin(model=model, encoded=encoded))


def compare_layers(student: Path, teacher: Path, encoded: Path, work: Work) -> Path:
    """Where the student's layers lie among the teacher's, on dev rows."""
    from alpkd_pipeline.evaluation.run import geometry_run

    folder = work.begin(student=student, teacher=teacher, encoded=encoded)
    return geometry_run(student, teacher, encoded, folder)
