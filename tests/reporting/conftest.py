"""Hand-made stores: only the small JSON files that a comparison reads."""

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpkd_pipeline.store.layout import LATENCY, SCORES, STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import read_json, seal, write_json

TASK = {
    "name": "mrpc",
    "kind": "classification",
    "text_columns": ["sentence1", "sentence2"],
    "label_names": ["not_equivalent", "equivalent"],
    "metrics": ["accuracy", "f1"],
    "label_range": None,
    "dev_splits": ["dev"],
    "test_splits": ["test"],
}
LIBRARIES = {"torch": "2.13.0+cpu", "transformers": "5.23.0"}
PARAMS = {
    "task": {"name": "mrpc", "source": "folder"},
    "teacher": {"model": "demo", "seed": 0, "training": {"epochs": 3}},
    "student": {"layers": 4, "init": "first"},
    "method": {"name": "kd", "beta": 0.2, "eta": 0.8, "temperature": 2.0},
    "training": {"epochs": 5, "lr": 0.0004},
    "seed": 0,
    "run": {"store": "data", "tracking": "off"},
}
ENVIRONMENT = {
    "device": "cpu",
    "device_name": "x86_64",
    "precision": "fp32",
    "threads": 1,
    "libraries": LIBRARIES,
}


class Store:
    """Writes run folders as a training and an evaluation leave them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._made = 0

    def teacher(self, accuracy: float = 0.9, p50_ms: float | None = None) -> Path:
        folder = self.root / TEACHERS / "mrpc" / "demo-s0-aaaaaaaa"
        run = self._run("teacher", "mrpc-teacher-demo-s0", "a" * 64, PARAMS)
        self._write(folder, run, {"accuracy": accuracy, "f1": 0.92}, 600_000, 12.0, {})
        self.latency(folder, p50_ms)
        return folder

    def student(
        self,
        seed: int = 0,
        accuracy: float = 0.8,
        f1: float = 0.85,
        *,
        key: str | None = None,
        run_type: str = "cell",
        change: Callable[[dict[str, Any], dict[str, Any]], None] = lambda params, run: None,
        environment: dict[str, Any] | None = None,
        p50_ms: float | None = None,
        seconds: float = 7.0,
    ) -> Path:
        """One student; `change` edits its parameters and its run.json before they are written."""
        params = copy.deepcopy(PARAMS) | {"seed": seed}
        run = self._run("student", f"mrpc-12to4-kd-s{seed}", "", params)
        change(params, run)
        run["identity"]["generation"] = run_type
        key = key or f"{len(list(self.root.glob(f'{STUDENTS}/*/*'))) + 1:064x}"
        run["identity"] |= {"key": key}
        run["identity"]["keys"]["student"] = key
        name = f"{params['method']['name']}-{params['student']['layers']}L-s{seed}-{key[-8:]}"
        folder = self.root / STUDENTS / "mrpc" / name
        scores = {"accuracy": accuracy, "f1": f1}
        self._write(folder, run, scores, 410_000, seconds, environment or {})
        self.latency(folder, p50_ms)
        return folder

    def scores(
        self, folder: Path, splits: dict[str, Any], place: str = SCORES[0], **more: Any
    ) -> Path:
        return self._result(folder, place, "scores.json", {"splits": splits, **more})

    def evaluation(self, folder: Path, digest: str, **scores: float) -> Path:
        """An evaluation with the scores of metrics of a user's own, all of one version."""
        names = dict.fromkeys((name.partition(".")[0] for name in scores), digest)
        dev = {"rows": 408, "scores": {"accuracy": 0.75, "f1": 0.7, **scores}}
        test = {"rows": 9, "scores": None}
        return self.scores(folder, {"dev": dev, "test": test}, SCORES[1], metrics=names)

    def latency(self, folder: Path, p50_ms: float | None, **environment: Any) -> None:
        if p50_ms is not None:
            found = {"batch_1": {"p50_ms": p50_ms}, "environment": ENVIRONMENT | environment}
            self._result(folder, LATENCY, "latency.json", found)

    def _result(self, folder: Path, place: str, name: str, values: dict[str, Any]) -> Path:
        """A result made from a run: its folder's name is the run's with a key of its own."""
        self._made += 1
        result = self.root / place / folder.parent.name / f"{folder.name}-{self._made:08x}"
        stage = "teacher" if TEACHERS in folder.as_posix() else "student"
        key = read_json(folder / "run.json")["identity"]["key"]
        write_json(result / name, values)
        seal(result, {"key": f"{self._made:064x}", "made_from": {stage: key}})
        # Clocks of file systems are coarse: later results must look later.
        os.utime(result / "manifest.json", (self._made, self._made))
        return result

    def _run(self, stage: str, name: str, key: str, params: dict[str, Any]) -> dict[str, Any]:
        keys = {"encoded": "e" * 64, "teacher": "a" * 64, "signals": "5" * 64}
        return {
            "schema": 1,
            "stage": stage,
            "name": name,
            "task": copy.deepcopy(TASK),
            "params": params,
            "identity": {
                "key": key,
                "keys": keys,
                "code": "c" * 64,
                "teacher_layers": 12,
                "generation": "cell",
            },
            "provenance": {
                "git_commit": "f" * 40,
                "git_dirty": False,
                "python": "3.11.7",
            },
        }

    def _write(
        self,
        folder: Path,
        run: dict[str, Any],
        scores: dict[str, float],
        parameters: int,
        seconds: float,
        environment: dict[str, Any],
    ) -> None:
        write_json(folder / "run.json", run)
        metrics = {
            "scores": {"dev": scores},
            "selection": "dev",
            "parameters": {"total": parameters, "without_embeddings": parameters // 2},
            "seconds": seconds,
            "environment": ENVIRONMENT | environment,
        }
        write_json(folder / "metrics.json", metrics)
        seal(folder, {"key": run["identity"]["key"]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "data")
