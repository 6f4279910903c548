"""Nodes of distillation: record the teacher's signals, train the student, score it."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.run_folder import Work


def record_signals(teacher: Path, encoded: Path, work: Work) -> Path:
    """Keep what the teacher says about every train and dev row, for all students to come."""
    from alpkd_pipeline.training.dispatch import run_stage

    return run_stage(work.begin(teacher=teacher, encoded=encoded))


def distill_student(
    encoded: Path,
    teacher: Path,
    signals: Path | None,
    pretrained: Path | None,
    checkpoint: Path | None,
    work: Work,
) -> Path:
    """Train the student; inputs that this cell does without are None."""
    from alpkd_pipeline.training.dispatch import run_stage

    folder = work.begin(
        encoded=encoded,
        teacher=teacher,
        signals=signals,
        model=pretrained,
        checkpoint=checkpoint,
    )
    return run_stage(folder)


def score_student(student: Path, encoded: Path, work: Work) -> Path:
    """Score the saved student on the dev splits."""
    from alpkd_pipeline.evaluation.run import score_run

    return score_run(student, encoded, work.begin(model=student, encoded=encoded), splits="dev")
