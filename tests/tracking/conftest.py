from __future__ import annotations

import json
import shutil
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.databases import initialised_database

from alpkd_pipeline.store.manifest import publish, write_json
from alpkd_pipeline.tracking.settings import TrackingSettings, tracking_settings

KEY = "a1" * 32
TEACHER_KEY = "b2" * 32
SPLITS_KEY = "c3" * 32
T0 = 1_700_000_000.25

TRAINING = {"epochs": 2, "batch_size": 4, "lr": 4e-5, "device": "auto", "selection": "dev"}


def run_json(stage: str = "student", key: str = KEY, **changes: Any) -> dict[str, Any]:
    run = {
        "schema": 1,
        "stage": stage,
        "name": "mrpc-6to3-alp_kd-s1" if stage == "student" else "mrpc-teacher-demo-s0",
        "description": "A student of 3 layers.",
        "command": "kedro run --pipeline=distill",
        "task": {
            "name": "mrpc",
            "kind": "classification",
            "text_columns": ["sentence1", "sentence2"],
            "label_names": ["no", "yes"],
            "metrics": ["accuracy", "f1"],
            "dev_splits": ["dev"],
        },
        "params": {
            "task": {"name": "mrpc", "source": "hub", "columns": {"sentence1": "a"}, "path": None},
            "teacher": {"model": "demo", "seed": 0, "training": {**TRAINING, "epochs": 3}},
            "student": {"layers": 3, "init": "first"},
            "method": {"name": "alp_kd", "beta": 0.2, "lambda": 0.5, "scale": "sqrt_d"},
            "training": TRAINING,
            "signals": {"source": "cache"},
            "seed": 1,
            "run": {"store": "data", "tracking": "sqlite"},
        },
        "inputs": {"encoded": "../encoded"},
        "identity": {
            "key": key,
            "keys": {"splits": SPLITS_KEY, "teacher": TEACHER_KEY, "student": key},
            "teacher_layers": 6,
            "generation": "cell",
        },
        "provenance": {
            "git_commit": "d4" * 20,
            "git_dirty": False,
            "lock": None,
            "libraries": {"torch": "2.13.0"},
            "python": "3.11.7",
        },
    }
    return {**run, **changes}


def start_event(time: float = T0) -> dict[str, Any]:
    hardware = {"device": "cpu", "device_name": "x86", "precision": "fp32", "threads": 1}
    return {"event": "start", "time": time, "name": "n", **hardware, "libraries": {"numpy": "2.4"}}


def step_event(step: int, time: float | None = None) -> dict[str, Any]:
    return {
        "event": "step",
        "time": T0 + step if time is None else time,
        "step": step,
        "epoch": step / 10,
        "loss": {"hard": 0.5, "total": 1.0 / step},
        "weighted": {"hard": 0.1},
        "lr": 1e-4,
        "grad_norm": "inf" if step == 1 else 2.0,
        "memory_mb": 100,
    }


STEP_METRICS = (
    "loss/hard",
    "loss/total",
    "train/epoch",
    "train/lr",
    "train/grad_norm",
    "system/memory_mb",
)


def eval_event(step: int, time: float | None = None) -> dict[str, Any]:
    return {
        "event": "eval",
        "time": T0 + step + 0.5 if time is None else time,
        "step": step,
        "epoch": step // 10,
        "scores": {"accuracy": 0.5 + step / 100, "f1": 0.25},
        "best": True,
        "attention": {"weights": [[0.5, 0.5]], "entropy": [0.6], "max_entropy": [0.7]},
    }


EVAL_METRICS = ("dev/accuracy", "dev/f1", "watch.attention_entropy.1")

METRICS = {
    "scores": {"dev": {"accuracy": 0.7, "f1": 0.25}},
    "best_step": 20,
    "best_epoch": 2,
    "steps": 20,
    "epochs": 2,
    "examples": 80,
    "seconds": 1.5,
    "evaluation_seconds": 0.5,
    "examples_per_second": 80.0,
    "parameters": {"total": 1000, "without_embeddings": 600},
    "attention": {"weights": [[0.5, 0.5]], "entropy": [0.6], "max_entropy": [0.7]},
    "environment": {"device": "cpu"},
}

CLOSING_METRICS = (
    "best.epoch",
    "parameters.total",
    "parameters.without_embeddings",
    "seconds",
)


class Training:
    """A pretended training: writes a run folder line by line.

    Attributes:
        step_points: how many metrics a step has.
        whole_points: how many points a whole training of 20 steps and 2 evaluations has.
    """

    step_points = len(STEP_METRICS)
    eval_points = len(EVAL_METRICS)
    whole_points = 20 * len(STEP_METRICS) + 2 * len(EVAL_METRICS) + len(CLOSING_METRICS)

    def __init__(self, store: Path, name: str = "alp_kd-3L-s1-a1a1a1a1", **run: Any) -> None:
        self.final = store / name
        self.work = store / f"{name}.work"
        self.run = run_json(**run)

    def begin(self, time: float = T0) -> Training:
        write_json(self.work / "run.json", self.run)
        self.write(start_event(time))
        return self

    def write(self, *events: dict[str, Any]) -> Training:
        with (self.work / "events.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)
        return self

    def steps(self, first: int, last: int) -> Training:
        for step in range(first, last + 1):
            self.write(step_event(step))
            if step % 10 == 0:
                self.write(eval_event(step))
        return self

    def publish(self) -> Path:
        self.write({"event": "end", "time": T0 + 100, "seconds": 1.5, "steps": 20})
        write_json(self.work / "metrics.json", METRICS)
        (self.work / "model.safetensors").write_bytes(b"weights")
        publish(self.work, self.final, {"key": self.run["identity"]["key"]})
        return self.final

    def whole(self) -> Path:
        return self.begin().steps(1, 20).publish()


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An initialised database; making one takes seconds, so that the tests copy it."""
    return initialised_database(tmp_path_factory)


@pytest.fixture
def settings(tmp_path: Path, database: Path) -> TrackingSettings:
    shutil.copyfile(database, tmp_path / "mlflow.db")
    found = tracking_settings("sqlite", "alpkd", tmp_path)
    assert found is not None
    return found


@pytest.fixture
def training(tmp_path: Path) -> Callable[..., Training]:
    def make(*args: Any, **run: Any) -> Training:
        return Training(tmp_path / "students" / "mrpc", *args, **run)

    return make


@pytest.fixture
def rows(settings: TrackingSettings) -> Callable[..., list[tuple[Any, ...]]]:
    """Reads the database itself, so that nothing MLflow tidies up goes unseen."""

    def read(query: str, *values: Any) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(settings.database or "")
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.close()

    return read


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])
