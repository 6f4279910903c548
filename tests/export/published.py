"""A published folder in a store of small JSON files: all that a card is written from."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from tests.reporting.conftest import Store

from alpkd_pipeline.store.layout import ENCODED, EXPORTS, STUDENTS
from alpkd_pipeline.store.manifest import read_json, read_manifest, seal, write_json

TRAINING = {
    "epochs": 3,
    "batch_size": 32,
    "lr": 0.0004,
    "warmup_ratio": 0.1,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "patience": None,
    "selection": "dev",
}
PARAMS: dict[str, Any] = {
    "task": {
        "name": "mrpc",
        "source": "table",
        "dataset": None,
        "config": None,
        "revision": None,
        "files": {},
        "max_length": 64,
    },
    "teacher": {
        "model": "demo",
        "revision": None,
        "seed": 7,
        "finetuned": False,
        "training": TRAINING,
    },
    "student": {
        "layers": 4,
        "init": "first",
        "init_from": "teacher",
        "head": "fresh",
        "checkpoint": None,
        "checkpoint_revision": None,
    },
    "method": {"name": "alp_kd", "beta": 0.2, "eta": 0.8, "temperature": 2.0},
    "training": TRAINING | {"epochs": 5},
}
EXPORT = {"calibrate": "temperature", "serve": "int8", "price_per_hour": None, "gate": {"fp32": {}}}
CALIBRATION = {
    "seen_in_train": 2,
    "temperature": 0.669,
    "threshold": None,
    "rows": 6,
    "folds": 5,
    "nll": {"before": 0.331, "after": 0.3077},
    "ece": {"before": 0.0635, "after": 0.0478, "calibrated_median": 0.02, "calibrated_95": 0.03},
    "score": {"metric": "accuracy", "before": 0.75, "after": 0.625},
    "bins": {
        name: [
            {"rows": 2, "confidence": 0.6, "accuracy": 0.5},
            {"rows": 4, "confidence": 0.9, "accuracy": 1.0},
        ]
        for name in ("before", "after")
    },
}
LIBRARIES = {"onnx": "1.23.2", "torch": "2.13.0+cpu"}
LABELS, PREDICTIONS_CSV = [1, 0, 1, 1, 0, 1, 0, 1], [1, 0, 1, 0, 0, 1, 1, 1]
REGRESSION = {
    "kind": "regression",
    "label_names": [],
    "metrics": ["pearson", "rmse"],
    "label_range": [0.0, 5.0],
}


def form_of(model: str, engine: str, precision: str, p50: float) -> dict[str, Any]:
    return {
        "name": f"{model}, {'ONNX' if engine == 'onnx' else engine} {precision}",
        "model": model,
        "engine": engine,
        "precision": precision,
        "one": {"p50_ms": p50, "p95_ms": 2 * p50, "tokenizer_p50_ms": p50 / 4, "repeats": 1000},
        "batch": {"rows": 32, "p50_ms": 30.0, "repeats": 20, "rows_per_second": 1066.7},
        "disk_mb": 1.5,
        "memory_mb": 16.0,
    }


def judged(form: str, outcome: str = "passes", changed: int = 0) -> dict[str, Any]:
    found = {"what": "changed answers", "seen": 0.5, "limit": 0.9, "bound": 2.0, "unit": " %"}
    return {
        "form": form,
        "outcome": outcome,
        "rows": 8,
        "found": [found | {"outcome": outcome}],
        "changed_rows": [str(row) for row in range(changed)],
        "score": 0.75,
        "torch_score": 0.75,
    }


def publish(
    store: Store,
    change: Callable[[dict[str, Any]], None] = lambda params: None,
    *,
    of: str = "student",
    task: dict[str, Any] | None = None,
    seeds: dict[int, float] | None = None,
    predictions: list[float] | None = None,
    **files: dict[str, Any],
) -> Path:
    """Make models in a store, and the folder of one that is published, all but its card.

    `change` edits the parameters; `task` and `files` replace parts of the task and of the folder's
    JSON files; `seeds` are the accuracies of the students, of which the first is published.
    """
    params = copy.deepcopy(PARAMS)
    change(params)

    def alike(given: dict[str, Any], run: dict[str, Any]) -> None:
        given |= copy.deepcopy(params) | {"seed": given["seed"]}
        run["task"] |= {"text_columns": ["sentence"], **(task or {})}
        scores = run["provenance"] | {"libraries": {"torch": "2.13.0"}}
        run |= {"command": "kedro run --pipeline=distill", "provenance": scores}

    base = store.root / "a secret place" / "base"
    base.mkdir(parents=True)
    (base / "README.md").write_text("---\nlicense: mit\n---\n", "utf-8")
    teacher = store.teacher()
    run = read_json(teacher / "run.json") | {"inputs": {"model": str(base)}}
    alike(run["params"], run)
    _again(teacher, 12, run)
    made = []
    for seed, accuracy in (seeds or {0: 0.8}).items():
        made.append(store.student(seed, accuracy, change=alike))
        own = read_json(made[-1] / "run.json")
        _again(made[-1], 4, own | {"inputs": {"checkpoint": str(base)}})
    model = made[0] if of == "student" else teacher
    folder = store.root / EXPORTS / "mrpc" / f"{model.name}-export.work"
    own = read_json(model / "run.json")
    keys = own["identity"]["keys"] | {f"{of}_export": "9" * 64}
    encoded = store.root / ENCODED / "mrpc" / "mrpc-64t"
    splits = own["task"]["dev_splits"]
    dev = {"rows": len(LABELS), "cut_rows": 1}
    report = dict.fromkeys(splits, dev) | {"train": {"rows": 3000, "cut_rows": 2}}
    write_json(encoded / "report.json", report)
    own |= {"stage": f"{of}_export", "inputs": {"encoded": str(encoded)}}
    own["params"] |= {"export": EXPORT}
    own["identity"] |= {"key": "9" * 64, "keys": keys}
    torch = [form_of(of, "torch", "fp32", 4.0), form_of("teacher", "torch", "fp32", 8.0)]
    written = {
        "run": own,
        "config": read_json(model / "config.json"),
        "export": {
            "forms": {"fp32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx"},
            "libraries": LIBRARIES,
            "max_length": 64,
            "threshold": None,
        },
        "gate": {"serve": "int8", "forms": [judged("fp32"), judged("int8", changed=1)]},
        "calibration": CALIBRATION,
        "speed": {
            "forms": [form_of(of, "onnx", "int8", 0.5), *torch[of == "teacher" :]],
            "price_per_hour": None,
            "processor": "A Processor",
            "features": ["avx2"],
            "load": 0.4,
            "threads": 1,
        },
    }
    for name, values in written.items():
        write_json(folder / f"{name}.json", values | files.get(name, {}))
    names = [f"{s} {n}" if len(splits) > 1 else str(n) for s in splits for n in range(len(LABELS))]
    given = {
        "label": LABELS * len(splits),
        "prediction": (predictions or PREDICTIONS_CSV) * len(splits),
    }
    (folder / "predictions").mkdir()
    frame = pd.DataFrame({"row": names, **given})
    frame.to_csv(folder / "predictions" / "dev.csv", index=False)
    return folder


def _again(folder: Path, layers: int, run: dict[str, Any]) -> None:
    """Write a run folder anew, with the configuration of its model."""
    config = {"model_type": "bert", "num_hidden_layers": layers, "hidden_size": 64}
    config |= {"num_attention_heads": 4, "vocab_size": 320}
    write_json(folder / "config.json", config)
    write_json(folder / "run.json", run)
    manifest = read_manifest(folder)
    assert manifest is not None
    seal(folder, {name: value for name, value in manifest.items() if name != "files"})


def rewrite_metrics(store: Store, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit what was measured of every student."""
    for folder in (store.root / STUDENTS).glob("*/*"):
        metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
        change(metrics)
        write_json(folder / "metrics.json", metrics)
        _again(folder, 4, read_json(folder / "run.json"))
