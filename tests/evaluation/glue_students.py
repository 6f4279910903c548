"""Students of GLUE tasks and their evaluations in a store, as trainings leave them, tiny."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tests.models.conftest import tiny_config, word_tokenizer
from tests.training.conftest import TRAINING
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.evaluation.run import write_submission
from alpkd_pipeline.models.encoder import name_outputs, save_classifier
from alpkd_pipeline.store.diff import flat
from alpkd_pipeline.store.layout import SCORES, STUDENTS
from alpkd_pipeline.store.manifest import seal, write_json
from alpkd_pipeline.tasks.glue import GLUE

COMMAND = "kedro run --pipeline=distill --params=task.name={}"


def student(store: Path, task: str, key: str = "", *, kind: str = "cell", **more: Any) -> Path:
    """A finished student; `more` are parameters by dotted names, a dot written as two underscores.

    That of MNLI can answer: it has random weights.
    """
    key = f"{key or len(list(store.rglob('run.json'))) + 1:0>8}" + "0" * 56
    params: dict[str, Any] = {
        "task": {"name": task, "max_length": 24},
        "method": {"name": "kd"},
        "student": {"layers": 2},
        "training": {**TRAINING, "device": "cpu", "threads": 1},
        "seed": 0,
    }
    for name, value in more.items():
        *blocks, last = name.split("__")
        block = params
        for part in blocks:
            block = block[part]
        assert last in block or last == "temperature"
        block[last] = value
    said = flat(params)
    name = f"{said['method.name']}-{said['student.layers']}L-s{said['seed']}-{key[:8]}"
    folder = store / STUDENTS / task / name
    if task == "mnli":
        config = tiny_config("bert", 2, initializer_range=0.5)
        name_outputs(config, GLUE[task].task)
        model = AutoModelForSequenceClassification.from_config(config)
        save_classifier(model, word_tokenizer(), folder)
    write_json(
        folder / "run.json",
        {
            "stage": "student",
            "name": name,
            "task": GLUE[task].task.to_dict(),
            "params": params,
            "inputs": {},
            "identity": {"key": key, "generation": kind},
            "command": COMMAND.format(task),
        },
    )
    seal(folder, {"key": key, "made_from": {}})
    return folder


def evaluated(folder: Path, *, tables: bool = True) -> Path:
    """Its evaluation; without tables that of data without the whole test split."""
    task, key = folder.parent.name, folder.name[-8:] + "0" * 56
    glue, draw = GLUE[task], np.random.default_rng(0)
    place = folder.parents[3] / SCORES[1] / task / f"{folder.name}-{key[::-1][-8:]}"
    write_json(place / "scores.json", {"splits": {}})
    if tables:
        most = max(2, len(glue.task.label_names))
        frames = {
            split: pd.DataFrame({"idx": range(rows), "prediction": draw.integers(0, most, rows)})
            for split, rows in glue.test_rows.items()
        }
        write_submission(task, frames, place / "submission")
    seal(place, {"key": key[::-1], "made_from": {"student": key}})
    return place


def diagnostic(path: Path, rows: int = 1_104, columns: str = "index sentence1 sentence2") -> Path:
    """GLUE's diagnostic.tsv with other sentences, quotes among them."""
    lines = (f'{i}\tw{i % 50} "w2 w{i % 7}\tw3 w{i % 11}' for i in range(rows))
    path.write_text("\n".join(["\t".join(columns.split()), *lines]) + "\n")
    return path
