"""Tiny models of three families, trained for seconds, with all that an export reads of a store."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tests.models.conftest import tiny_config, word_tokenizer
from tests.reporting.conftest import store  # noqa: F401 - a fixture
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.constraints import block_of
from alpkd_pipeline.export.calibrate import Calibration
from alpkd_pipeline.export.dev_rows import Dev, read_dev
from alpkd_pipeline.export.graph import convert
from alpkd_pipeline.export.publish import assemble, settings_of, write_settings
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.models.encoder import name_outputs, save_classifier
from alpkd_pipeline.store.manifest import read_json, seal
from alpkd_pipeline.tasks.encode import encode_splits
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.tasks.validate import write_splits
from alpkd_pipeline.training.run_config import RunConfig, read_config

PAIRS = Task("pairs", "classification", ("one", "two"), ("no", "yes"), ("accuracy",))
THREE = Task("three", "classification", ("text",), ("low", "middle", "high"), ("accuracy",))
NUMBER = Task("number", "regression", ("text",), (), ("pearson",), label_range=(-3.0, 3.0))
TASKS = {task.name: task for task in (PAIRS, THREE, NUMBER)}

WORDS, MAX_LENGTH, ROWS = 40, 16, 300
TRAINING = {
    "epochs": 1,
    "batch_size": 32,
    "lr": 1e-3,
    "warmup_ratio": 0.0,
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "selection": "dev",
    "device": "cpu",
    "precision": "fp32",
    "threads": 1,
}


@pytest.fixture(autouse=True, scope="session")
def _exporter_is_quiet() -> None:
    """It logs each of its thousands of steps, which would be captured."""
    logging.getLogger("torch").setLevel(logging.WARNING)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass(frozen=True)
class World:
    """The folders that an export is made from."""

    task: Task
    model: Path
    onnx: Path
    encoded: Path
    splits: Path
    run: Path  # a folder with the run.json of an export

    @property
    def config(self) -> RunConfig:
        return read_config(self.run)

    def dev(self) -> Dev:
        return read_dev(self.config, self.model, self.encoded, self.splits)

    def export(self, folder: Path, how: Calibration | None = None) -> Path:
        """A folder as `publish_run` has it before the gate."""
        folder.mkdir()
        assemble(folder, self.model, self.onnx)
        facts = read_json(self.onnx / "onnx.json")
        write_settings(
            folder, settings_of(self.task, MAX_LENGTH, how or Calibration(), facts, "int8")
        )
        return folder


def texts(draw: np.random.Generator, rows: int, longest: int = 20) -> list[list[int]]:
    return [draw.integers(WORDS, size=draw.integers(2, longest)).tolist() for _ in range(rows)]


def frame(task: Task, rows: int, seed: int) -> pd.DataFrame:
    """Texts of made-up words; the mean number of their words decides the label."""
    draw = np.random.default_rng(seed)
    columns = {name: texts(draw, rows, 10) for name in task.text_columns}
    means = np.array([[np.mean(ids) for ids in column] for column in columns.values()]) / WORDS
    if task is PAIRS:
        labels: np.ndarray = (means[0] > means[1]).astype(np.int64)
    elif task is THREE:
        labels = np.digitize(means[0], [0.42, 0.58])
    else:
        labels = 6 * (means[0] - 0.5)
    if task is not PAIRS:  # some rows are longer than max_length
        columns["text"] = [ids * 4 if i % 10 == 0 else ids for i, ids in enumerate(columns["text"])]
    words = {name: [" ".join(f"w{i}" for i in ids) for ids in c] for name, c in columns.items()}
    return pd.DataFrame({**words, "label": labels, "idx": np.arange(rows)})


def train(folder: Path, encoder: str, task: Task, rows: pd.DataFrame, seed: int) -> None:
    tokenizer = word_tokenizer(encoder)
    config = tiny_config(encoder, 2)
    name_outputs(config, task)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = AutoModelForSequenceClassification.from_config(config)
        optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
        columns = [rows[name].tolist() for name in task.text_columns]
        batch = tokenizer(
            *columns, truncation=True, max_length=MAX_LENGTH, padding=True, return_tensors="pt"
        )
        labels = torch.tensor(rows["label"].to_numpy())
        for _ in range(150 if task.kind == "regression" else 60):
            chosen = torch.randint(len(labels), (64,))
            given = {name: values[chosen] for name, values in batch.items()}
            logits = model(**given).logits
            loss = (
                torch.nn.functional.mse_loss(logits[:, 0], labels[chosen].float())
                if task.kind == "regression"
                else torch.nn.functional.cross_entropy(logits, labels[chosen])
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    save_classifier(model.eval(), tokenizer, folder)


def make_world(root: Path, encoder: str, task: Task, seed: int = 0, **export: Any) -> World:
    frames = {"train": frame(task, 600, 1), "dev": frame(task, ROWS, 2)}
    model, onnx, encoded, splits, run = (root / n for n in ("model", "onnx", "enc", "spl", "run"))
    for folder in (model, onnx, encoded, splits, run):
        folder.mkdir(parents=True)
    write_splits(frames, task.to_dict(), 1.0, splits)
    encode_splits(frames, task, word_tokenizer(encoder), MAX_LENGTH, encoded)
    train(model, encoder, task, frames["train"], seed)
    seal(model, {"stage": "student", "key": "m" * 64, "made_from": {}})
    convert(model, onnx, opset=export.pop("opset", 20))
    seal(onnx, {"stage": "student_onnx", "key": "o" * 64, "made_from": {}})
    asked = block_of(ExportSettings, {"repeats": 5, "batches": 1, **export})
    params = {
        "task": {"max_length": MAX_LENGTH},
        "training": TRAINING,
        "teacher": {"model": "x", "training": TRAINING},
        "export": asdict(asked),
    }
    facts = {"stage": "student_export", "name": "a student", "task": task.to_dict()}
    (run / "run.json").write_text(json.dumps({**facts, "params": params, "inputs": {}}))
    return World(task, model, onnx, encoded, splits, run)


MakeWorld = Callable[..., World]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> MakeWorld:
    """A world of a family and a task; each is made once."""
    known: dict[tuple[Any, ...], World] = {}

    def find(encoder: str = "bert", task: str = "pairs", seed: int = 0, **export: Any) -> World:
        name = (encoder, task, seed, *export.items())
        if name not in known:
            root = tmp_path_factory.mktemp(f"{encoder}-{task}")
            known[name] = make_world(root, encoder, TASKS[task], seed, **export)
        return known[name]

    return find


def own_run(world: World, folder: Path, **export: Any) -> World:
    """The same world with other parameters of the export, and a run folder of its own."""
    shutil.copytree(world.run, folder)
    said = json.loads((folder / "run.json").read_text())
    said["params"]["export"] |= export
    (folder / "run.json").write_text(json.dumps(said))
    return replace(world, run=folder)
