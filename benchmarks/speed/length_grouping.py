"""Does grouping rows by length change what a student scores, and what does it save?

    python benchmarks/speed/length_grouping.py STUDENT ... --out FOLDER --epochs 3

STUDENT is the run folder of a finished student in a store, which also holds what it was trained
from. Each is trained again for some seeds, once with our batches (rows sorted by length within
shuffled groups of 16 batches) and once with plain random batches, in turn. Read
are the best dev score of each training, its padding, and its seconds; the scores are the point.
`--quick` trains one epoch with one seed.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any

from paired import arguments, print_table, record

from alpkd_pipeline.store.checkpoints import Work
from alpkd_pipeline.store.event_log import read_event_log
from alpkd_pipeline.store.manifest import read_json
from alpkd_pipeline.store.run_folder import RUN_CONFIG
from alpkd_pipeline.training.run_config import read_config
from alpkd_pipeline.training.student import train_student

GROUPS = {"grouped": True, "random": False}
"""Values of `training.group_by_length`."""


def train(student: Path, seed: int, epochs: int, threads: int, group: bool) -> dict[str, float]:
    """Train a stored student again, with another seed and other batches."""
    run = read_json(student / RUN_CONFIG)
    inputs = {name: (student / path).resolve() for name, path in run.pop("inputs").items()}
    asked = {**run["params"]["training"], "epochs": epochs, "threads": threads}
    asked["group_by_length"] = group
    run["params"] = {**run["params"], "seed": seed, "training": asked}
    with tempfile.TemporaryDirectory() as name:
        folder = Work(Path(name) / "student", run).begin(**inputs)
        train_student(read_config(folder))
        metrics, (events, _) = read_json(folder / "metrics.json"), read_event_log(folder)
    padding = [event["padding_percent"] for event in events if event["event"] == "epoch"]
    return {
        "score": next(iter(next(iter(metrics["scores"].values())).values())),
        "seconds": metrics["seconds"] - metrics["evaluation_seconds"],
        "padding_percent": statistics.mean(padding),
    }


def compared(student: Path, seeds: int, epochs: int, threads: int) -> dict[str, Any]:
    """Both kinds of batches for each seed."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in GROUPS}
    for seed in range(seeds):
        for name, group in GROUPS.items():
            found[name].append(train(student, seed, epochs, threads, group))
    scores = {name: [one["score"] for one in runs] for name, runs in found.items()}
    return {
        "runs": found,
        "means": {name: statistics.mean(values) for name, values in scores.items()},
        "sds": {n: statistics.stdev(v) if seeds > 1 else None for n, v in scores.items()},
        "of_each_seed": [a - b for a, b in zip(*scores.values(), strict=True)],
    }


def rows_of_table(found: dict[str, dict[str, Any]]) -> list[list[object]]:
    """A line for each student and kind of batches."""
    return [
        [
            student,
            name,
            f"{facts['means'][name]:.4f} ± {facts['sds'][name] or 0:.4f}",
            f"{statistics.mean(run['padding_percent'] for run in facts['runs'][name]):.1f} %",
            f"{statistics.median(run['seconds'] for run in facts['runs'][name]):.0f}",
        ]
        for student, facts in found.items()
        for name in GROUPS
    ]


def main() -> None:
    """Train, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("students", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    asked = parser.parse_args()
    if asked.quick:
        asked.seeds = asked.epochs = 1
    found = {
        f"{student.parent.name}/{student.name}": compared(
            student.resolve(), asked.seeds, asked.epochs, asked.threads
        )
        for student in asked.students
    }
    path = record(
        asked.out,
        "length_grouping",
        {"epochs": asked.epochs, "students": found},
        threads=asked.threads,
    )
    print_table(["student", "batches", "dev score", "padding", "s"], rows_of_table(found))
    print(path)


if __name__ == "__main__":
    main()
