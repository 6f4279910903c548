"""Whole studies in a hand-made store: tasks, methods, seeds, and what a page shows of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.layout import GEOMETRY, SEARCHES, SIGNALS, SWEEPS
from alpkd_pipeline.store.manifest import read_json, seal, write_json

TEACHER_LAYERS = 12


def study(
    store: Any,
    tasks: Sequence[str] = ("mrpc", "rte"),
    methods: Sequence[str] = ("no_kd", "kd", "alp_kd"),
    seeds: int = 3,
    layers: Sequence[int] = (4,),
) -> list[Path]:
    """Students of every combination; alp_kd is two points better than kd, seed by seed."""
    made = []
    for task in tasks:
        for depth in layers:
            for place, method in enumerate(methods):
                for seed in range(seeds):
                    made.append(_student(store, task, depth, method, place, seed))
    return made


def _student(store: Any, task: str, depth: int, method: str, place: int, seed: int) -> Path:
    def change(params: dict[str, Any], run: dict[str, Any]) -> None:
        params["task"]["name"] = run["task"]["name"] = task
        params["method"]["name"], params["student"]["layers"] = method, depth

    noise = 0.001 * ((seed * 7 + place * 3) % 5)
    score = 0.70 + 0.01 * depth + 0.02 * place + 0.005 * seed + noise
    return store.student(seed, round(score, 4), 0.8, change=change)


def errors(store: Any) -> list[Path]:
    """Students of a regression that an error decides: alp_kd has the smallest, seed by seed."""

    methods = ("no_kd", "kd", "alp_kd")

    def change(params: dict[str, Any], run: dict[str, Any]) -> None:
        params["task"]["name"] = run["task"]["name"] = "stsb"
        run["task"] |= {"kind": "regression", "metrics": ["rmse", "pearson"]}
        params["method"]["name"] = methods[place]

    made = []
    for place in range(len(methods)):
        for seed in range(4):
            folder = store.student(seed, change=change)
            noise = 0.001 * ((seed * 7 + place * 3) % 5)
            found = {"rmse": round(0.6 - 0.05 * place + noise, 4), "pearson": 0.5}
            store.scores(folder, {"dev": {"rows": 9, "scores": found}})
            made.append(folder)
    return made


def reseal(folder: Path) -> None:
    """Make a folder whole again after a file of it was changed."""
    facts = read_json(folder / "manifest.json")
    seal(folder, {name: value for name, value in facts.items() if name != "files"})


def with_event_log(
    folder: Path, epochs: int = 3, *, terms: Sequence[str] = ("hard", "soft")
) -> None:
    """An event log of a training whose scores rise and whose losses fall."""
    with EventLog(folder) as event_log:
        event_log.write("start", name="x")
        for epoch in range(1, epochs + 1):
            for half in (0.5, 1.0):
                at = epoch - 1 + half
                loss = {term: math.exp(-at) for term in terms}
                event_log.write("step", step=round(at * 10), epoch=at, loss=loss)
            event_log.write("eval", step=epoch * 10, epoch=epoch, scores={"accuracy": 0.2 * epoch})
        event_log.write("end")
    reseal(folder)


def with_attention(
    folder: Path, layers: int = 4, elsewhere: float = 0.02, entropy: float = 0.5, step: int = 1
) -> None:
    """Weights that move on by a step from row to row; row 1 may look at one layer only."""
    weights = np.full((layers, TEACHER_LAYERS), elsewhere)
    for j in range(layers):
        weights[j, j * step] = 1 - elsewhere * (TEACHER_LAYERS - 1)
    metrics = read_json(folder / "metrics.json")
    metrics["attention"] = {
        "weights": weights.tolist(),
        "entropy": [entropy] * layers,
        "max_entropy": [0.0, *[1.0] * (layers - 1)],
        "examples": 10,
    }
    write_json(folder / "metrics.json", metrics)
    reseal(folder)


def with_geometry(store: Any, folder: Path, layers: int = 4) -> None:
    """A geometry in which student layer j lies nearest to teacher layer j + 1."""
    distance = np.full((layers, TEACHER_LAYERS), 0.9)
    for j in range(layers):
        distance[j, j + 1] = 0.1
    means = [[float(k), float(k % 3)] for k in range(TEACHER_LAYERS)]
    pca = {
        "explained": [0.5, 0.25],
        "student": [[[0.0, 0.1], [0.2, 0.3]]] * layers,
        "teacher": [[[0.0, 0.1], [0.2, 0.3]]] * TEACHER_LAYERS,
        "student_means": means[:layers],
        "teacher_means": means,
    }
    found = {
        "cosine_distance": distance.tolist(),
        "nearest": list(range(2, layers + 2)),
        "pca": pca,
    }
    store._result(folder, GEOMETRY, "geometry.json", found)


def signals(root: Path, key: str = "5" * 64, rows: int = 100) -> Path:
    """A cache of signals of 1,000 bytes beside its small JSON file."""
    folder = root / SIGNALS / "mrpc" / f"demo-s0-{key[:8]}"
    environment = {"device": "cpu", "device_name": "x86_64"}
    write_json(folder / "signals.json", {"rows": rows, "seconds": 60.0, "environment": environment})
    (folder / "train.layers.npy").write_bytes(b"0" * 1000)
    seal(folder, {"key": key, "made_from": {}})
    return folder


def sweep(root: Path, name: str, keys: Sequence[str], started: str = "2026-01-01") -> None:
    """The record of a sweep."""
    experiments = [{"key": key, "state": "done"} for key in keys]
    record = {"id": name, "started": started, "cells": experiments}
    write_json(root / SWEEPS / f"{name}.json", record)


def search(root: Path, name: str, values: dict[str, Any], selection: str = "holdout") -> None:
    """The record of a search with one study: kd on mrpc at 4 layers."""
    study = {
        "task": "mrpc",
        "method": "kd",
        "layers": 4,
        "trials": [{"number": 0, "state": "done"}, {"number": 1, "state": "failed"}],
        "best": {"values": values, "score": 0.77},
        "possible": 6,
        "done": 1,
    }
    write_json(
        root / SEARCHES / f"{name}.json",
        {
            "id": name,
            "started": "2026",
            "selection": selection,
            "sampler": "grid",
            "studies": [study],
        },
    )
