"""Real results: MiniLM on GLUE, teacher and students by several methods, one Kedro run a cell.

    python benchmarks/minilm_glue.py STORE --out benchmarks/2026-11-20-minilm

needs the extra [minilm] and GLUE files in ALPKD_GLUE_DIR. Cells run one after another in processes
of their own; give `--part 0/2` and `--part 1/2` to share the work between two processes. Finished
cells are skipped, so an interrupted benchmark goes on. `--out` only collects what is finished.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

PROJECT = Path(__file__).parents[1]
METHODS = ("no_kd", "kd", "pkd", "alp_kd")
TASKS = {
    "mrpc": {"task.name": "mrpc"},
    "cola": {"task.name": "cola"},
    "sst2": {"task.name": "sst2", "task.train_rows": 8000},
}
DISTILLED = ("mrpc", "cola")


def cells(seeds: range) -> list[tuple[str, dict[str, object]]]:
    """(pipeline, parameters) of each cell, teachers first."""
    teachers = [("finetune_teacher", {**given, "student.layers": 3}) for given in TASKS.values()]
    students = [
        ("distill", {**TASKS[task], "student.layers": 3, "method.name": method, "seed": seed})
        for seed in seeds
        for task in DISTILLED
        for method in METHODS
    ]
    return [*teachers, *students]


def run(pipeline: str, params: dict[str, object], store: Path) -> None:
    """One cell, as a user would run it."""
    given = {**params, "run.store": store, "run.tracking": "off"}
    command = [
        *(sys.executable, "-m", "kedro", "run", f"--pipeline={pipeline}", "--env=minilm"),
        "--params=" + ",".join(f"{name}={value}" for name, value in given.items()),
    ]
    print(" ".join(command[2:]), flush=True)
    subprocess.run(command, cwd=PROJECT, check=True)


def collect(store: Path, out: Path) -> None:
    """The tables of the comparison and the machine they were made on."""
    from alpkd_pipeline.reporting.comparison import collect as read_store
    from alpkd_pipeline.reporting.comparison import write_comparison

    out.mkdir(parents=True, exist_ok=True)
    write_comparison(read_store(store), out)
    cpu = next(
        x.partition(":")[2].strip()
        for x in Path("/proc/cpuinfo").read_text().splitlines()
        if x.startswith("model name")
    )
    (out / "machine.txt").write_text(
        f"date: {datetime.now(UTC):%Y-%m-%d}\ncpu: {cpu}, {os.cpu_count()} processors\n"
        f"python: {platform.python_version()}\n"
    )


def main() -> None:
    """Run the cells, or collect them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--part", default="0/1", help="k/n: every n-th cell from the k-th on")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    store = given.store.resolve()
    if given.out:
        collect(store, given.out)
        return
    first, step = map(int, given.part.split("/"))
    for pipeline, params in cells(range(given.seeds))[first::step]:
        run(pipeline, params, store)


if __name__ == "__main__":
    main()
