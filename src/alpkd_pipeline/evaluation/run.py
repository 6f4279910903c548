"""Scoring, evaluating, timing and comparing saved models, as a folder's run.json asks for it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import SCORES, score_splits
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import Judge, score_answers
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.run_config import RunConfig, read_config

log = logging.getLogger(__name__)


def score_run(
    model: Path, encoded: Path, folder: Path, *, splits: str, by: Judge = score_answers
) -> Path:
    """Score a saved model on the dev splits.

    Args:
        model: the model's folder.
        encoded: the encoded splits.
        folder: a begun work folder; scores and predictions are written here.
        splits: `dev`, or `all` to predict the test splits too.
        by: scores the model's answers.

    Returns:
        The folder.
    """
    run = read_config(folder)
    names = [*run.task.dev_splits]
    if splits == "all":
        names = ["train", *names, *run.task.test_splits]
    asked = _block(run)
    score_splits(
        model,
        encoded,
        run.task,
        folder,
        splits=names,
        batch_size=asked["eval_batch_size"],
        device=asked["device"],
        # As users load it, whatever it was trained in.
        precision="fp32",
        threads=asked["threads"],
        by=by,
    )
    return folder


def evaluate_run(model: Path, encoded: Path, folder: Path) -> Path:
    """Predictions and scores on every split, GLUE submission files, size."""
    from alpkd_pipeline.evaluation.latency import model_size
    from alpkd_pipeline.evaluation.metrics import scoring
    from alpkd_pipeline.store.manifest import write_json

    task, asked = read_config(folder).task, read_json(folder / RUN_CONFIG).get("metrics", {})
    own = {input_place(folder, place): digest for place, digest in asked.items()}
    with scoring(task, own) as by:
        score_run(model, encoded, folder, splits="all", by=by)
    if own:
        digests = {metric.name: digest for metric, digest in own.items()}
        write_json(folder / SCORES, {**read_json(folder / SCORES), "metrics": digests})
    _submit(task, folder)
    write_json(folder / "size.json", model_size(model))
    return folder


def _submit(task: Task, folder: Path) -> None:
    """GLUE's submission files beside the predictions, for GLUE tasks with their test splits."""
    import pandas as pd

    from alpkd_pipeline.evaluation.submission import write_submission

    files = {split: folder / "predictions" / f"{split}.csv" for split in task.test_splits}
    if task.name not in GLUE or task.label_names != GLUE[task.name].task.label_names:
        return
    if not all(path.is_file() for path in files.values()):
        return
    try:
        frames = {split: pd.read_csv(path) for split, path in files.items()}
        write_submission(task.name, frames, folder / "submission")
    except UserError as error:
        log.warning("no submission files: %s", error)


def time_run(model: Path, encoded: Path, folder: Path) -> Path:
    """Latency and throughput on this machine."""
    from alpkd_pipeline.evaluation.latency import measure_latency
    from alpkd_pipeline.store.manifest import write_json

    run = read_config(folder)
    # Teacher and student under the same conditions: those of the student's training.
    asked = {name: run.params["training"][name] for name in ("device", "precision", "threads")}
    write_json(folder / "latency.json", measure_latency(model, encoded, run.task, **asked))
    return folder


def geometry_run(student: Path, teacher: Path, encoded: Path, folder: Path) -> Path:
    """Distances and a common plane of the layers of student and teacher."""
    from alpkd_pipeline.evaluation.geometry import measure_geometry
    from alpkd_pipeline.store.manifest import write_json

    run = read_config(folder)
    asked = run.params["training"]
    found = measure_geometry(
        student,
        teacher,
        encoded,
        run.task,
        device=asked["device"],
        # As users load it, whatever it was trained in.
        precision="fp32",
        threads=asked["threads"],
        pooling=run.params["method"]["pooling"],
    )
    write_json(folder / "geometry.json", found)
    return folder


def _block(run: RunConfig) -> Mapping[str, Any]:
    """The training parameters of the scored model, the teacher's or the student's."""
    block = run.params["teacher"] if run.stage.startswith("teacher") else run.params
    return dict(block["training"])
