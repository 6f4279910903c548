"""Scoring, evaluating, timing and comparing saved models, as a folder's run.json asks for it."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.geometry import measure_geometry
from alpkd_pipeline.evaluation.latency import measure_latency, model_size
from alpkd_pipeline.evaluation.score import SCORES, score_splits
from alpkd_pipeline.evaluation.submission import write_submission
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG, input_place
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import Judge, score_answers
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.devices import Hardware, resolve_hardware
from alpkd_pipeline.training.run_config import RunConfig, read_config

log = logging.getLogger(__name__)


def score_run(
    model: Path, encoded: Path, folder: Path, *, splits: str, by: Judge = score_answers
) -> None:
    """Score a saved model on the `dev` splits, or predict `all`, as the folder's run.json says."""
    run = read_config(folder)
    names = [*run.task.dev_splits]
    if splits == "all":
        names = ["train", *names, *run.task.test_splits]
    size, on = run.training.eval_batch_size, _hardware(run)
    score_splits(model, encoded, run.task, folder, on, splits=names, batch_size=size, by=by)


def _hardware(run: RunConfig) -> Hardware:
    """That of the training of the scored model, in the precision in which users load it."""
    return resolve_hardware(run.training.device, "fp32", run.training.threads)


def evaluate_run(model: Path, encoded: Path, folder: Path) -> None:
    """Predictions and scores on every split, GLUE submission files, size."""
    from alpkd_pipeline.evaluation.metrics import scoring

    task, asked = read_config(folder).task, read_json(folder / RUN_CONFIG).get("metrics", {})
    own = {input_place(folder, place): digest for place, digest in asked.items()}
    with scoring(task, own) as by:
        score_run(model, encoded, folder, splits="all", by=by)
    if own:
        digests = {metric.name: digest for metric, digest in own.items()}
        write_json(folder / SCORES, {**read_json(folder / SCORES), "metrics": digests})
    _submit(task, folder)
    write_json(folder / "size.json", model_size(model))


def _submit(task: Task, folder: Path) -> None:
    """GLUE's submission files beside the predictions, for GLUE tasks with their test splits."""
    files = {split: folder / "predictions" / f"{split}.csv" for split in task.test_splits}
    glue = task.name in GLUE and task.label_names == GLUE[task.name].task.label_names
    if not glue or not all(path.is_file() for path in files.values()):
        return
    try:
        frames = {split: pd.read_csv(path) for split, path in files.items()}
        write_submission(task.name, frames, folder / "submission")
    except UserError as error:
        log.warning("no submission files: %s", error)


def time_run(model: Path, encoded: Path, folder: Path) -> None:
    """Latency and throughput on this machine."""
    run = read_config(folder)
    # Teacher and student under the same conditions: those of the student's training.
    asked = run.params["training"]
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    write_json(folder / "latency.json", measure_latency(model, encoded, run.task, hardware))


def geometry_run(student: Path, teacher: Path, encoded: Path, folder: Path) -> None:
    """Distances and a common plane of the layers of student and teacher."""
    run = read_config(folder)
    pooling = run.params["method"]["pooling"]
    found = measure_geometry(student, teacher, encoded, run.task, _hardware(run), pooling)
    write_json(folder / "geometry.json", found)
