"""A small real experiment: 96 rows of the demo task and the shipped 12-layer encoder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alpkd_pipeline.models.encoder import load_tokenizer
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.sources.demo import TASK, load
from alpkd_pipeline.training.dispatch import run_stage

TRAINING = {
    "epochs": 1,
    "batch_size": 16,
    "accumulation": 1,
    "lr": 4e-4,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "eval_batch_size": 32,
    "eval_every": "epoch",
    "selection": "dev",
    "holdout_fraction": 0.25,
    "patience": None,
    "precision": "fp32",
    "device": "cpu",
    "threads": 1,
    "freeze_embeddings": False,
    "log_every": 2,
    "checkpoint_every": "auto",
}
PARAMS = {
    "teacher": {"model": "demo", "seed": 0, "finetuned": False, "training": TRAINING},
    "student": {
        "layers": 2,
        "init": "first",
        "init_from": "teacher",
        "head": "fresh",
        "hidden_size": None,
        "heads": None,
        "intermediate_size": None,
        "checkpoint": None,
    },
    "method": {
        "name": "alp_kd",
        "beta": 0.2,
        "eta": 0.8,
        "lambda": 0.5,
        "temperature": 2.0,
        "pooling": "cls",
        "projection": "none",
    },
    "training": TRAINING,
    "signals": {"source": "cache", "dtype": "fp32"},
    "seed": 1,
}

Make = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """96 train and 48 dev rows of the demo task."""
    return _encode(tmp_path_factory.mktemp("encoded"), 64)


@pytest.fixture(scope="session")
def encoded_short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows, cut at 12 tokens."""
    return _encode(tmp_path_factory.mktemp("encoded_short"), 12)


def _encode(folder: Path, max_length: int) -> Path:
    rows = {"train": 96, "dev": 48, "test": 8}
    frames = {name: frame.head(rows[name]) for name, frame in load().items()}
    encode_splits(frames, TASK, load_tokenizer(DEMO_FOLDER), max_length, folder)
    return folder


@pytest.fixture
def begin(tmp_path: Path) -> Make:
    """Begins a run folder; keyword arguments with dots replace parameters."""

    def make(name: str, stage: str, inputs: dict[str, Path], **changes: Any) -> Path:
        params: dict[str, Any] = copy.deepcopy(PARAMS)
        for path, value in changes.items():
            block = params
            *parents, last = path.split("__")
            for parent in parents:
                block = block[parent]
            block[last] = value
        facts = {
            "stage": stage,
            "name": name,
            "task": TASK.to_dict(),
            "params": params,
            "identity": {"key": name, "keys": {"encoded": "e", stage: name}},
        }
        return Work(tmp_path / name, facts).begin(**inputs)

    return make


@pytest.fixture(scope="session")
def teacher(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher after one short epoch."""
    folder = tmp_path_factory.mktemp("teacher") / "teacher"
    facts = {"stage": "teacher", "name": "t", "task": TASK.to_dict(), "params": PARAMS}
    return run_stage(Work(folder, facts).begin(encoded=encoded, model=DEMO_FOLDER))


@pytest.fixture(scope="session")
def signals(encoded: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The teacher's cached signals."""
    folder = tmp_path_factory.mktemp("signals") / "signals"
    facts = {"stage": "signals", "name": "s", "task": TASK.to_dict(), "params": PARAMS}
    return run_stage(Work(folder, facts).begin(encoded=encoded, teacher=teacher))


def copied(folder: Path, to: Path) -> Path:
    """A copy of a model folder to be spoilt."""
    import shutil

    return Path(
        shutil.copytree(folder, to, ignore=shutil.ignore_patterns("predictions", "*.jsonl"))
    )
