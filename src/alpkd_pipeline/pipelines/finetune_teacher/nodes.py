"""Nodes of the teacher: fine-tune it, score it as a user would load it."""

from __future__ import annotations

from pathlib import Path

from alpkd_pipeline.runs.run_folder import Work


def finetune_teacher(encoded: Path, pretrained: Path, work: Work) -> Path:
    """Fine-tune the pretrained encoder, or check one that was brought fine-tuned."""
    from alpkd_pipeline.training.dispatch import run_stage

    return run_stage(work.begin(encoded=encoded, model=pretrained))


def score_teacher(teacher: Path, encoded: Path, work: Work) -> Path:
    """Score the saved teacher on the dev splits."""
    from alpkd_pipeline.evaluation.run import score_run

    return score_run(teacher, encoded, work.begin(model=teacher, encoded=encoded), splits="dev")
