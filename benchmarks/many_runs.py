"""How long a comparison of very many students takes, and how much memory.

    python benchmarks/many_runs.py STORE --seeds 5
    python benchmarks/many_runs.py STORE --only-make

Writes the run folders of a made-up study of 8 tasks x 9 methods x 3 depths x SEEDS into an empty
folder STORE: the small files are in the form of real ones, with an event log of some 60 lines, the
attention of ALP-KD, scores, answers on as many dev rows as GLUE has, latencies and geometries; the
weights are a few bytes. Scores and answers are drawn and mean nothing. Then it runs
`kedro run --pipeline=compare` and prints its seconds, the peak of memory and the sizes of the
files.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.store.manifest import seal, write_json
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.metrics import predictions_frame

TASKS = {
    "cola": 0.55,
    "sst2": 0.92,
    "mrpc": 0.86,
    "stsb": 0.88,
    "qqp": 0.90,
    "mnli": 0.83,
    "qnli": 0.90,
    "rte": 0.68,
}
ROWS = {
    "cola": 1043,
    "sst2": 872,
    "mrpc": 408,
    "stsb": 1500,
    "qqp": 40_430,
    "mnli": 9815,
    "qnli": 5463,
    "rte": 277,
}
METHODS = ("no_kd", "kd", "pkd", "ckd", "ckd_no", "ckd_po", "alp_kd", "alp_no", "alp_po")
LAYERS = (6, 4, 2)
TEACHER_LAYERS = 12
EPOCHS = 4
LINES_AN_EPOCH = 14
ENVIRONMENT = {
    "device": "cuda:0",
    "device_name": "made up",
    "precision": "bf16",
    "threads": 8,
    "python": "3.11.7",
    "platform": "Linux",
    "libraries": {"torch": "2.13.0+cpu", "transformers": "5.23.0"},
}
STARTED = 1_790_000_000.0
DRAWS = 12
"""So many files of answers are drawn of each task; runs take them in turn."""


_NOISE = np.random.default_rng(1).standard_normal((TEACHER_LAYERS, 64, 2))


def _path(where: np.ndarray) -> np.ndarray:
    """Points on the way that layers take through the plane."""
    return np.stack([np.cos(3 * where), np.sin(3 * where)], axis=1)


class MadeUp:
    """Writes the folders of one store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._draw = np.random.default_rng(0)
        self._count = 0
        self._predictions = {name: [*self._drawn(name)] for name in TASKS}

    def key(self) -> str:
        """A new key of 64 hex digits."""
        self._count += 1
        return f"{self._count * 0x9E3779B97F4A7C15 % 2**64:016x}" * 4

    def task(self, name: str, seeds: int) -> int:
        """All teachers and students of a task; returns how many students there are."""
        made = 0
        for seed in range(seeds):
            encoded, teacher_key = f"{name:e<64}", self.key()
            keys = {"encoded": encoded, "teacher": teacher_key}
            signals = self._signals(name, seed, keys)
            best = TASKS[name] + 0.004 * self._draw.standard_normal()
            self._teacher(name, seed, keys, best)
            for method, layers in product(METHODS, LAYERS):
                own = keys if method == "no_kd" else {**keys, "signals": signals}
                self._student(name, method, layers, seed, own, best)
                made += 1
        return made

    def _signals(self, task: str, seed: int, keys: dict[str, str]) -> str:
        key = self.key()
        folder = self.root / f"05_model_input/signals/{task}/bert-base-uncased-s{seed}-{key[:8]}"
        write_json(folder / "signals.json", {"rows": 9000, "seconds": 30.0, "environment": {}})
        (folder / "train.logits.npy").write_bytes(b"0" * 64)
        seal(folder, {"key": key, "stage": "signals", "made_from": keys})
        return key

    def _teacher(self, task: str, seed: int, keys: dict[str, str], best: float) -> None:
        folder = self.root / f"06_models/teachers/{task}/bert-base-uncased-s{seed}-{seed:08x}"
        run = self._run("teacher", task, "no_kd", TEACHER_LAYERS, seed, keys)
        self._model(folder, run, best, 109_000_000, None)
        self._scores(folder, "teacher", keys["teacher"], task, best)
        if seed == 0:
            self._latency(folder, "teacher", keys["teacher"], 9.0)

    def _student(
        self, task: str, method: str, layers: int, seed: int, keys: dict[str, str], best: float
    ) -> None:
        key = self.key()
        folder = self.root / f"06_models/students/{task}/{method}-{layers}L-s{seed}-{key[:8]}"
        gain = 0.004 * METHODS.index(method)
        lost = 0.02 * (TEACHER_LAYERS - layers) / 2
        score = best - lost + gain + 0.006 * self._draw.standard_normal()
        run = self._run("student", task, method, layers, seed, {**keys, "student": key})
        attention = self._attention(method, layers) if method.startswith("alp") else None
        self._model(folder, run, score, 24_000_000 + 7_000_000 * layers, attention)
        self._scores(folder, "student", key, task, score)
        if seed == 0:
            self._latency(folder, "student", key, 0.75 * layers)
            self._geometry(folder, key, layers)

    def _run(
        self, stage: str, task: str, method: str, layers: int, seed: int, keys: dict[str, str]
    ) -> dict[str, Any]:
        training = {"epochs": EPOCHS, "batch_size": 32, "lr": 2e-5, "selection": "dev"}
        params = {
            "task": {"name": task, "source": "hub", "max_length": 128},
            "teacher": {"model": "bert-base-uncased", "seed": seed, "training": training},
            "student": {"layers": layers, "init": "first", "head": "teacher"},
            "method": {"name": method, "beta": 0.1, "eta": 0.7, "lambda": 0.2},
            "training": training,
            "signals": {"source": "cache", "dtype": "fp16"},
            "seed": seed,
        }
        name = f"{task}-{TEACHER_LAYERS}to{layers}-{method}-s{seed}"
        if stage == "teacher":
            name = f"{task}-teacher-bert-base-uncased-s{seed}"
        return {
            "schema": 1,
            "stage": stage,
            "name": name,
            "description": "made up",
            "command": f"kedro run --params=task.name={task},method.name={method},seed={seed}",
            "task": GLUE[task].task.to_dict(),
            "params": params,
            "identity": {
                "key": keys[stage],
                "keys": keys,
                "code": f"{method:c<64}",
                "teacher_layers": TEACHER_LAYERS,
                "generation": "cell",
            },
            "provenance": {"git_commit": "f" * 40, "git_dirty": False, "python": "3.11.7"},
        }

    def _model(
        self,
        folder: Path,
        run: dict[str, Any],
        score: float,
        parameters: int,
        attention: dict[str, Any] | None,
    ) -> None:
        task = run["task"]
        scores = dict.fromkeys(task["metrics"], score)
        write_json(folder / "run.json", run)
        self._event_log(folder, run, scores, attention)
        metrics = {
            "scores": {task["dev_splits"][0]: scores},
            "selection": "dev",
            "best_epoch": EPOCHS,
            "examples": 32_000,
            "parameters": {"total": parameters, "without_embeddings": parameters // 2},
            "seconds": 300.0,
            "environment": ENVIRONMENT,
        }
        write_json(folder / "metrics.json", metrics | (attention or {}))
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            (folder / name).write_text("{}")
        (folder / "model.safetensors").write_bytes(b"made up")
        seal(folder, {"key": run["identity"]["key"], "stage": run["stage"], "made_from": {}})

    def _event_log(
        self,
        folder: Path,
        run: dict[str, Any],
        scores: dict[str, float],
        attention: dict[str, Any] | None,
    ) -> None:
        terms: tuple[str, ...]
        terms = ("hard",) if run["params"]["method"]["name"] == "no_kd" else ("hard", "soft")
        terms += ("intermediate",) if terms[-1] == "soft" else ()
        with EventLog(folder) as event_log:
            event_log.write("start", name=run["name"], device="cuda:0")
            for epoch in range(1, EPOCHS + 1):
                for line in range(1, LINES_AN_EPOCH + 1):
                    at = epoch - 1 + line / LINES_AN_EPOCH
                    noise = 0.05 * self._draw.standard_normal(len(terms))
                    loss = {
                        t: 0.8 * math.exp(-at) + 0.2 + n for t, n in zip(terms, noise, strict=True)
                    }
                    event_log.write("step", step=round(at * 250), epoch=at, loss=loss, lr=1e-5)
                so_far = {name: value - 0.1 * math.exp(-epoch) for name, value in scores.items()}
                extra = attention or {}
                event_log.write("eval", step=epoch * 250, epoch=epoch, scores=so_far, **extra)
            event_log.write("end", best_epoch=EPOCHS)

    def _attention(self, method: str, layers: int) -> dict[str, Any]:
        weights = self._draw.dirichlet(np.full(TEACHER_LAYERS, 0.5), size=layers)
        entropy = -(weights * np.log(weights + 1e-12)).sum(axis=1)
        most = [math.log(TEACHER_LAYERS)] * layers
        found = {"weights": weights.tolist(), "entropy": entropy.tolist(), "max_entropy": most}
        return {"attention": {**found, "examples": 1000}}

    def _result(
        self, folder: Path, place: str, made_from: dict[str, str], files: dict[str, Any]
    ) -> None:
        key = self.key()
        result = self.root / place / folder.parent.name / f"{folder.name}-{key[:8]}"
        for name, content in files.items():
            (result / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (result / name).write_bytes(content)
            else:
                write_json(result / name, content)
        seal(result, {"key": key, "made_from": made_from})

    def _scores(self, folder: Path, stage: str, key: str, task: str, score: float) -> None:
        row = GLUE[task].task
        scores = {"rows": ROWS[task], "scores": dict.fromkeys(row.metrics, score)}
        files = {
            "scores.json": {"splits": dict.fromkeys(row.dev_splits, scores)},
            "predictions/dev.csv": self._predictions[task][self._count % DRAWS],
        }
        self._result(folder, "07_model_output/scores", {stage: key}, files)

    def _drawn(self, name: str) -> Iterator[bytes]:
        """Answers of one task, right in as many cases as its teacher's."""
        task, rows = GLUE[name].task, ROWS[name]
        draw = np.random.default_rng(rows)
        labels = draw.integers(task.num_labels, size=rows)
        numbers = draw.uniform(0, 5, rows).round(2)
        for _ in range(DRAWS):
            truth: np.ndarray = numbers
            if task.kind == "regression":
                logits = (numbers + draw.standard_normal(rows))[:, None]
            else:
                known = draw.random(rows) < TASKS[name]
                logits = draw.standard_normal((rows, task.num_labels))
                logits[known, labels[known]] += 5
                truth = labels
            frame = predictions_frame(task, np.arange(rows), truth, logits.astype(np.float32))
            yield frame.to_csv(index=False, lineterminator="\n").encode()

    def _latency(self, folder: Path, stage: str, key: str, p50_ms: float) -> None:
        found = {"batch_1": {"p50_ms": p50_ms}, "environment": ENVIRONMENT}
        self._result(folder, "07_model_output/latency", {stage: key}, {"latency.json": found})

    def _geometry(self, folder: Path, key: str, layers: int) -> None:
        at = np.arange(1, TEACHER_LAYERS + 1) / TEACHER_LAYERS
        own = np.linspace(1 / layers, 1, layers) + 0.05 * self._draw.standard_normal(layers)
        distance = np.abs(own[:, None] - at) + 0.05
        points = {
            name: (_path(where)[:, None] + 0.2 * _NOISE[: len(where)]).round(5).tolist()
            for name, where in (("student", own), ("teacher", at))
        }
        means = {f"{name}_means": np.mean(xy, axis=1).tolist() for name, xy in points.items()}
        found = {
            "examples": 256,
            "pooling": "cls",
            "student_layers": layers,
            "teacher_layers": TEACHER_LAYERS,
            "cosine_distance": distance.round(5).tolist(),
            "nearest": (distance.argmin(axis=1) + 1).tolist(),
            "pca": {"explained": [0.4, 0.2], **points, **means},
        }
        place = "07_model_output/geometry"
        self._result(folder, place, {"student": key}, {"geometry.json": found})


def make(root: Path, seeds: int) -> int:
    """Write the store; returns the number of students."""
    made_up = MadeUp(root)
    return sum(made_up.task(name, seeds) for name in TASKS)


def compare(root: Path) -> dict[str, float]:
    """Run the command, from its start on: wall seconds, processor seconds, peak memory in MiB."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    words = ["run", "--pipeline=compare", "--force=compare"]
    params = f"--params=run.store={root.resolve()},run.tracking=off"
    # What it prints is not the benchmark's.
    subprocess.run([sys.executable, "-m", "kedro", *words, params], check=True, stdout=sys.stderr)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "wall seconds": round(seconds, 1),
        "processor seconds": round(used, 1),
        "peak MiB": round(after.ru_maxrss / 1024),
    }


def main() -> None:
    """Make the store if it is empty, compare it, print the numbers as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only-make", action="store_true")
    given = parser.parse_args()
    students = given.store / "06_models/students"
    if not students.is_dir():
        make(given.store, given.seeds)
    if given.only_make:
        return
    found = {"students": len(list(students.glob("*/*"))), **compare(given.store)}
    (out,) = (given.store / "08_reporting/comparison").glob("[0-9a-f]*")
    sizes = {path.name: os.stat(path).st_size for path in sorted(out.iterdir())}
    print(json.dumps({**found, "load": os.getloadavg()[0], "bytes": sizes}, indent=2))


if __name__ == "__main__":
    main()
