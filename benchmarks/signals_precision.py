"""Do students care whether their teacher's signals were recorded in bf16 or in fp32?

    python benchmarks/signals_precision.py STUDENT_FOLDER ... --work FOLDER --out FOLDER

The students are finished ones of one teacher, whose signals were recorded in bf16. The same teacher
records them again in fp32, and each student is trained again from these, with everything else as it
was. The result has how far the two recordings are apart, layer by layer, and both scores of every
student. What is finished in `--work` is used, so an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.store.fingerprint import processor, provenance
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.store.run_folder import METRICS, RUN_CONFIG, input_place

PROJECT = Path(__file__).parents[1]


def again(folder: Path, to: Path, precision: str, **inputs: Path) -> Path:
    """The configuration of a finished run in a new folder: other inputs, the teacher's precision.

    Only the recording of signals reads that; students have a precision of their own.
    """
    run = read_json(folder / RUN_CONFIG)
    run["params"]["teacher"]["training"]["precision"] = precision
    places = {name: str(input_place(folder, place)) for name, place in run["inputs"].items()}
    run["inputs"] = places | {name: str(path.resolve()) for name, path in inputs.items()}
    if not (to / RUN_CONFIG).exists():
        to.mkdir(parents=True, exist_ok=True)
        write_json(to / RUN_CONFIG, run)
    return to


def make(folder: Path, done: str) -> Path:
    """Train or record what a folder says, in a process of its own, unless it is finished."""
    if not (folder / done).exists():
        command = [sys.executable, "-m", "alpkd_pipeline.training", str(folder)]
        subprocess.run(command, check=True, cwd=PROJECT)
    return folder


def distances(one: Path, other: Path) -> dict[str, Any]:
    """How far two recordings of one teacher are apart, over all rows of each split."""
    found: dict[str, Any] = {}
    for split in ("train", "dev"):
        logits = [np.load(f / f"{split}.logits.npy") for f in (one, other)]
        layers = [np.load(f / f"{split}.layers.npy", mmap_mode="r") for f in (one, other)]
        change = [
            float(np.linalg.norm(a - b) / np.linalg.norm(b))
            for a, b in (
                (layers[0][:, k].astype(np.float64), layers[1][:, k].astype(np.float64))
                for k in range(layers[0].shape[1])
            )
        ]
        found[split] = {
            "rows": len(logits[0]),
            "logits_largest": float(np.abs(logits[0] - logits[1]).max()),
            "answers_changed": int((logits[0].argmax(1) != logits[1].argmax(1)).sum()),
            "layers_relative": change,
        }
    return found


def score(folder: Path) -> float:
    """The primary score of the best epoch."""
    task, metrics = read_json(folder / RUN_CONFIG)["task"], read_json(folder / METRICS)
    return float(metrics["scores"][task["dev_splits"][0]][task["metrics"][0]])


def summary(pairs: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Mean and deviation of what fp32 signals changed, in points."""
    changes = [100 * (fp32 - bf16) for bf16, fp32 in pairs.values()]
    spread = statistics.stdev(changes) if len(changes) > 1 else float("nan")
    return {"mean": statistics.fmean(changes), "std": spread, "students": len(changes)}


def main() -> None:
    """Read the command line, record, train, compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("students", nargs="+", type=Path)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    first = read_json(given.students[0] / RUN_CONFIG)
    recorded = input_place(given.students[0], first["inputs"]["signals"])
    exact = make(again(recorded, given.work / "signals-fp32", "fp32"), "manifest.json")
    folders = [
        again(student, given.work / student.name, "bf16", signals=exact)
        for student in given.students
    ]
    with ThreadPoolExecutor(given.workers) as pool:
        made = list(pool.map(partial(make, done="manifest.json"), folders))
    pairs = {
        student.name: (score(student), score(folder))
        for student, folder in zip(given.students, made, strict=True)
    }
    result = {
        "processor": processor(),
        "processors": os.cpu_count(),
        "provenance": provenance(PROJECT),
        "teacher": recorded.name,
        "signals": distances(recorded, exact),
        "scores": {name: {"bf16": a, "fp32": b} for name, (a, b) in pairs.items()},
        "change_in_points": summary(pairs),
    }
    given.out.mkdir(parents=True, exist_ok=True)
    write_json(given.out / "signals_precision.json", result)
    print(result["change_in_points"])


if __name__ == "__main__":
    main()
