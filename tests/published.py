"""Published folders of tiny models with random weights, and their students, as a store has them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from filelock import FileLock
from tests.models.conftest import tiny_config, word_tokenizer
from tests.tracking.conftest import Training, run_json
from transformers import AutoModelForSequenceClassification

from alpkd_pipeline.export import runtime
from alpkd_pipeline.export.graph import CONVERSION, FORMS, convert
from alpkd_pipeline.store.layout import EXPORTS
from alpkd_pipeline.store.manifest import publish, sha256_file, write_json

MAX_LENGTH = 12
SINGLE, PAIR = ("text",), ("premise", "hypothesis")
LABELS = ("no", "yes")


def shared_model(temporary: pytest.TempPathFactory) -> Path:
    """A fine-tuned BERT and its forms, made once in this test session; that takes seconds."""
    base = temporary.getbasetemp()
    # Workers have folders of their own below the session's.
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = root / "published-model"
    with FileLock(f"{folder}.lock"):
        if not (folder / CONVERSION).is_file():
            _make_model(folder)
    return folder


def _make_model(place: Path) -> None:
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(tiny_config("bert", 1, num_labels=2))
        for weights in model.parameters():
            weights.add_(torch.randn_like(weights) * 0.3)
    model.eval().save_pretrained(place)
    word_tokenizer().save_pretrained(place)
    convert(place, place, opset=20)


def make_folder(
    model: Path,
    place: Path,
    *,
    columns: Sequence[str] = SINGLE,
    serve: str = "int8",
    labels: Sequence[str] = LABELS,
) -> Path:
    """The files of a published folder that a service needs."""
    for name in ("tokenizer.json", CONVERSION, *FORMS.values()):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model / name, place / name)
    shutil.copyfile(runtime.__file__, place / "runtime.py")
    settings: dict[str, Any] = {
        "task": "tiny",
        "kind": "classification" if labels else "regression",
        "labels": [*labels],
        "text_columns": [*columns],
        "max_length": MAX_LENGTH,
        "inputs": json.loads((model / CONVERSION).read_text())["inputs"],
        "temperature": 1.5,
        "threshold": None,
        "forms": dict(FORMS),
        "serve": serve,
    }
    names = ("tokenizer.json", "runtime.py", *FORMS.values())
    settings["files"] = {name: sha256_file(place / name) for name in names}
    settings["digest"] = runtime.digest_of(settings)
    write_json(place / runtime.SETTINGS, settings)
    return place


def speed(p50_ms: float, *, mb: float = 20.0, processor: str = "x86", form: str = "int8") -> Any:
    """What was measured of a form."""
    told = {"model": "student", "engine": "onnx", "precision": form}
    told |= {"one": {"p50_ms": p50_ms}, "disk_mb": mb}
    torch = {**told, "engine": "torch", "precision": "fp32", "disk_mb": 400.0}
    facts = {"threads": 1, "processor": processor, "features": ["avx2"]}
    return {"forms": [torch, told], **facts}


def make_export(
    model: Path,
    store: Path,
    digit: str,
    *,
    columns: Sequence[str] = SINGLE,
    serve: str = "int8",
    labels: np.ndarray | None = None,
    predictions: np.ndarray | None = None,
    metrics: Sequence[str] = ("accuracy",),
    dev: str = "d1",
    **measured: Any,
) -> tuple[Path, Path]:
    """A published folder with the evidence of its dev rows, and the finished student's folder.

    `digit`: two hex digits, of which the keys are made; `dev` tells dev rows apart; `measured` is
    what `speed` takes.
    """
    task = {
        **run_json()["task"],
        "name": "tiny",
        "text_columns": [*columns],
        "label_names": [*LABELS],
        "metrics": [*metrics],
    }
    student = Training(store / "06_models/students/tiny", f"kd-{digit}", key=digit * 32, task=task)
    key = digit[::-1] * 31 + "ff"
    work, final = store / f"{digit}.work", store / EXPORTS / "tiny" / f"kd-{digit}-{key[:8]}"
    make_folder(model, work, columns=columns, serve=serve)
    labels = np.arange(40) % 2 if labels is None else labels
    predictions = labels if predictions is None else predictions
    rows = (
        f"{i},{a},{b},0.5,0.5\n" for i, (a, b) in enumerate(zip(labels, predictions, strict=True))
    )
    (work / "predictions").mkdir()
    (work / "predictions/dev.csv").write_text("row,label,prediction,p_no,p_yes\n" + "".join(rows))
    write_json(work / "gate.json", {"dev": dev, "serve": serve, "forms": []})
    write_json(work / "speed.json", speed(**{"p50_ms": 4.0, "form": serve, **measured}))
    (work / "README.md").write_text("# A card\n")
    write_json(work / "run.json", run_json(stage="student_export", key=key, task=task))
    publish(work, final, {"key": key})
    return final, student.whole()
