"""Run folders as trainings leave them, written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.project.conftest import load  # noqa: F401 - a fixture
from tests.reporting.conftest import ENVIRONMENT, PARAMS, TASK, Store

from alpkd_pipeline.reproduce.original import StoredRun
from alpkd_pipeline.store.layout import SCORES
from alpkd_pipeline.store.manifest import seal, write_json

Make = Callable[..., StoredRun]

BROUGHT = {"params": {**PARAMS, "teacher": {"model": "demo", "finetuned": True}}}
"""What the run.json of a teacher that was brought, and of its students, says otherwise."""

LOSSES = (0.75, 0.5, 0.25)


def write_run(
    store: Path,
    *,
    stage: str = "student",
    key: str = "1" * 64,
    losses: tuple[float, ...] = LOSSES,
    rates: tuple[float, ...] = (1e-4, 2e-4, 3e-4),
    predictions: tuple[int, ...] = (1, 0, 1, 1),
    score: float = 0.75,
    weights: bytes = b"weights",
    environment: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    metrics: dict[str, Any] | None = None,
) -> StoredRun:
    """Write a finished training whose every part can be chosen."""
    kind, name = f"06_models/{stage}s", "kd-4L-s0" if stage == "student" else "demo-s0"
    folder = store / kind / "mrpc" / f"{name}-{key[:8]}"
    facts = {
        "stage": stage,
        "name": f"mrpc-{name}",
        "task": TASK,
        "params": PARAMS,
        "identity": {
            "key": key,
            "keys": {"encoded": "e" * 64, "teacher": "a" * 64, stage: key},
            "code": "c" * 64,
            "generation": "cell",
        },
        "provenance": {"git_commit": "f" * 40, "git_dirty": False, "libraries": {}},
    }
    write_json(folder / "run.json", {**facts, **(run or {})})
    measured = {
        "scores": {"dev": {"accuracy": score, "f1": score}},
        "seconds": 7.0,
        "environment": {**ENVIRONMENT, **(environment or {})},
    }
    write_json(folder / "metrics.json", {**measured, **(metrics or {})})
    steps = [
        {"event": "step", "time": 1.0, "step": n + 1, "lr": rate, "loss": {"total": loss}}
        for n, (loss, rate) in enumerate(zip(losses, rates, strict=False))
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(step) + "\n" for step in steps))
    (folder / "model.safetensors").write_bytes(weights)
    (folder / "predictions").mkdir(exist_ok=True)
    rows = "".join(f"{n},1,{p},0.5\n" for n, p in enumerate(predictions))
    (folder / "predictions" / "dev.csv").write_text(f"idx,label,prediction,p_yes\n{rows}")
    seal(folder, {"key": key, "stage": stage})
    return StoredRun(folder)


def write_scores(run: StoredRun, **splits: dict[str, float]) -> Path:
    """Write dev scores of the saved model, by split."""
    folder = run.store / SCORES[0] / run.task / f"{run.path.name}-{'9' * 8}"
    write_json(folder / "scores.json", {"splits": {n: {"scores": s} for n, s in splits.items()}})
    seal(folder, {"key": "9" * 64, "made_from": {run.stage: run.key}})
    return folder


@pytest.fixture
def then(tmp_path: Path) -> StoredRun:
    """An original."""
    return write_run(tmp_path / "then")


@pytest.fixture
def now(tmp_path: Path) -> Make:
    """Makes its rerun, with what is otherwise."""

    def make(**changes: Any) -> StoredRun:
        return write_run(tmp_path / "now", **changes)

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of students that only their small files are written of."""
    return Store(tmp_path / "data")
