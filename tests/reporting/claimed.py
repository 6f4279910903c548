"""Stores whose scores follow from answers, the claims that are made of them, and how a reviewer
checks these.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.reporting.conftest import PARAMS, Store
from tests.reporting.studies import reseal, with_event_log

from alpkd_pipeline.coordinates import PLACES
from alpkd_pipeline.project.params import CompareParams
from alpkd_pipeline.reporting.claim.write import write_claim
from alpkd_pipeline.reporting.collect import Query, gather
from alpkd_pipeline.reporting.sources import Sources
from alpkd_pipeline.store.layout import SCORES, SWEEPS, TEACHERS
from alpkd_pipeline.store.manifest import read_json, sha256_file, write_json
from alpkd_pipeline.tasks.metrics import METRICS

METHODS = ("no_kd", "kd", "pkd", "alp_kd")
TASKS = {"mrpc": ("accuracy", "f1"), "cola": ("matthews",)}
"""Task -> its metrics; the first one decides."""

ERRS = {"no_kd": 0.34, "kd": 0.22, "pkd": 0.22, "alp_kd": 0.1}
"""How often each method is wrong, about."""

Change = Callable[[dict[str, Any], dict[str, Any]], None]


def study(
    root: Path,
    tasks: Mapping[str, Sequence[str]] = TASKS,
    methods: Sequence[str] = METHODS,
    layers: Sequence[int] = (4,),
    seeds: int = 4,
    rows: int = 48,
    teachers: int = 1,
    missing: Sequence[tuple[str, str, int, int]] = (),
    change: Change = lambda params, run: None,
    planned: bool = True,
    place: str = SCORES[0],
) -> Store:
    """A store in which a sweep made every combination, but for those that are missing: (task,
    method, layers, seed). Every teacher and student was scored on dev, by what it answered.

    `change` edits the parameters and the run.json of every student; `place` is where its scores
    go.
    """
    store, experiments = Store(root), []
    # Keys of results are counted on: those of other stores are others.
    store._made = 1000 * (zlib.crc32(root.name.encode()) % 1_000_000)
    for task, metrics in tasks.items():
        for teacher in range(teachers):
            taught(store, task, metrics, teacher, rows)
    for values in product(tasks, methods, layers, range(seeds), range(teachers)):
        experiment = dict(zip(PLACES, values, strict=True))
        key = sha256(f"{experiment} {change.__name__}".encode()).hexdigest()
        experiments.append({"key": key, "coordinates": experiment, "state": "done"})
        if values[:4] not in missing:
            student(store, tasks[experiment["task"]], experiment, key, rows, change, place)
    if planned:
        record = {"id": "grid", "started": "2026-01-01", "cells": experiments}
        write_json(root / SWEEPS / "grid.json", record)
    return store


def teacher_key(task: str, seed: int) -> str:
    return f"{zlib.crc32(task.encode()):08x}{seed:08x}".ljust(64, "a")


def taught(store: Store, task: str, metrics: Sequence[str], seed: int, rows: int) -> Path:
    """A teacher with its scores."""
    folder, key = store.root / TEACHERS / task / f"demo-s{seed}", teacher_key(task, seed)
    teacher = {**PARAMS["teacher"], "seed": seed}
    params = {**PARAMS, "task": {"name": task, "source": "folder"}, "teacher": teacher}
    run = store._run("teacher", f"{task}-teacher-demo-s{seed}", key, params)
    run["task"] |= described(task, metrics)
    run["identity"]["keys"] = {"encoded": data_key(task), "teacher": key}
    said = predictions(task, metrics, 0.08, (7, seed), rows)
    scores = scores_of(metrics, *said)
    store._write(folder, run, scores, 600_000, 12.0, {})
    answered(store, folder, scores, *said)
    return folder


def student(
    store: Store,
    metrics: Sequence[str],
    experiment: Mapping[str, Any],
    key: str,
    rows: int,
    change: Change = lambda params, run: None,
    place: str = SCORES[0],
) -> Path:
    """A student at a place in a grid, with an event log and its scores."""
    task, seed, teacher = experiment["task"], experiment["seed"], experiment["teacher_seed"]

    def placed(params: dict[str, Any], run: dict[str, Any]) -> None:
        params["task"]["name"] = task
        params["method"]["name"], params["student"]["layers"] = (
            experiment["method"],
            experiment["layers"],
        )
        params["teacher"]["seed"] = teacher
        run["task"] |= described(task, metrics)
        keys = {"encoded": data_key(task), "teacher": teacher_key(task, teacher)}
        run["identity"]["keys"] |= keys
        change(params, run)

    draw = (zlib.crc32(f"{experiment['method']} {experiment['layers']}".encode()), seed, teacher)
    said = predictions(task, metrics, ERRS.get(experiment["method"], 0.2), draw, rows)
    scores = scores_of(metrics, *said)
    folder = store.student(seed, key=key, change=placed, p50_ms=3.0 + seed)
    found = {**RIGHT_SHAPE, "scores": {"dev": scores}, "seconds": 7.0 + seed}
    write_json(folder / "metrics.json", found)
    with_event_log(folder, 2)
    answered(store, folder, scores, *said, place)
    return folder


RIGHT_SHAPE = {
    "selection": "dev",
    "parameters": {"total": 410_000, "without_embeddings": 205_000},
    "environment": {
        "device": "cpu",
        "device_name": "x86_64",
        "precision": "fp32",
        "threads": 1,
        "libraries": {"torch": "2.13.0+cpu", "transformers": "5.23.0"},
    },
}
"""A metrics.json but for its scores and seconds."""


def data_key(task: str) -> str:
    return f"{zlib.crc32(task.encode()):08x}".ljust(64, "e")


def described(task: str, metrics: Sequence[str]) -> dict[str, Any]:
    regression = METRICS[metrics[0]].kind == "regression"
    more = {"kind": "regression", "label_names": [], "label_range": [0.0, 5.0]}
    return {"name": task, "metrics": list(metrics), **(more if regression else {})}


def predictions(
    task: str, metrics: Sequence[str], wrong: float, draw: Sequence[int], rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers, the labels of a task, and what a model answers that is wrong so often."""
    of_task = np.random.default_rng(zlib.crc32(task.encode()))
    labels, hard = of_task.uniform(size=rows), of_task.permutation(rows) / rows
    rng = np.random.default_rng([zlib.crc32(task.encode()), *draw])
    idx = 3 * np.arange(rows) + 1
    if METRICS[metrics[0]].kind == "regression":
        labels = np.round(5 * labels, 1)
        said = (labels + rng.normal(size=rows) * 3 * wrong).astype(np.float32)
        return idx, labels, said.astype(np.float64)
    labels = (labels < 0.6).astype(int)
    # All models find the same rows hard, more or less.
    errs = hard + rng.normal(0, 0.03, rows) < wrong
    return idx, labels, np.where(errs, 1 - labels, labels)


def scores_of(
    metrics: Sequence[str], _: np.ndarray, labels: np.ndarray, said: np.ndarray
) -> dict[str, float]:
    return {name: METRICS[name](said, labels) for name in metrics}


def answered(
    store: Store,
    folder: Path,
    scores: Mapping[str, float],
    idx: np.ndarray,
    labels: np.ndarray,
    said: np.ndarray,
    place: str = SCORES[0],
    **more: Any,
) -> Path:
    """Write what a model answered, with the probabilities that a real file has."""
    result = store.scores(
        folder, {"dev": {"rows": len(idx), "scores": dict(scores)}}, place, **more
    )
    names = read_json(folder / "run.json")["task"]["label_names"]
    columns = {"idx": idx, "label": labels, "prediction": said}
    columns |= {f"p_{name}": 0.123456789 for name in names}
    (result / "predictions").mkdir()
    pd.DataFrame(columns).to_csv(result / "predictions" / "dev.csv", index=False)
    reseal(result)
    return result


def sources_of(root: Path, **compare: Any) -> Sources:
    """The comparison of a store, as the parameters `compare` ask for it."""
    block = CompareParams.model_validate(compare).model_dump(mode="json")
    return Sources(gather(root, Query.of(block)))


def claimed(root: Path, out: Path, **compare: Any) -> Path:
    """The claim of a store."""
    work = out.with_name(f"{out.name}.work")
    work.mkdir()
    write_claim(sources_of(root, **compare), out, work)
    shutil.rmtree(work)
    return out


def verified(folder: Path, *python: str) -> subprocess.CompletedProcess[str]:
    """What a reviewer sees of an unpacked claim whose Python has no packages."""
    words = [sys.executable, *(python or ("-I", "-S", "-W", "error")), "verify.py"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120)


def hash_anew(folder: Path) -> None:
    """Write SHA256SUMS of what lies in a claim now, as whoever forges one would."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = (f"{sha256_file(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)
    (folder / "SHA256SUMS").write_text("".join(lines))
