"""What the benchmarks of speed share: sides timed in turn, and the record of a measurement.

A machine's speed changes from minute to minute: a ratio means something only where both of its
sides were timed in turn. Every repeat is kept, and medians and ratios are worked out from them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "kedro", "mlflow")
LOAD_BEFORE = os.getloadavg() if hasattr(os, "getloadavg") else None
"""Load of the machine over 1, 5 and 15 minutes when the benchmark began, before its own work."""


def paired(sides: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Run the sides in turn, A B A B ..., after a warm-up round that is thrown away.

    Args:
        sides: each does its work once and returns its own seconds, so that what it must prepare
            is left out.
        repeats: rounds that count.

    Returns:
        For each side its seconds, one for each round, in order.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-1, repeats):
        for name, side in sides.items():
            gc.collect()  # nobody pays for what the side before left behind
            took = side()
            if turn >= 0:
                seconds[name].append(took)
    return seconds


def stopwatch(work: Callable[[], object]) -> float:
    """The seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def forget(folder: Path) -> None:
    """Ask the operating system to drop the pages of a folder's files from its memory (Linux)."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())  # pages that are not on the disk yet are not dropped
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def summary(
    seconds: Mapping[str, Sequence[float]], ratios: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Raw seconds, their medians, and for each (above, below) the ratio of the medians.

    `round_ratios` holds the ratio of each round, in which both sides met the same machine: their
    spread says how far the ratio can be trusted.
    """
    pairs = list(ratios)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "seconds": {name: list(values) for name, values in seconds.items()},
        "medians": medians,
        "ratios": {f"{a} / {b}": medians[a] / medians[b] for a, b in pairs},
        "round_ratios": {
            f"{a} / {b}": [x / y for x, y in zip(seconds[a], seconds[b], strict=True)]
            for a, b in pairs
        },
    }


def record(out: Path, name: str, payload: Mapping[str, Any], **machine: Any) -> Path:
    """Write `<out>/<name>.json`: date, command, machine, and what was measured.

    Args:
        out: a folder; made if it is not there.
        name: of the benchmark.
        payload: what was measured, JSON-ready.
        **machine: what the benchmark itself chose, such as `threads` and `precision`.
    """
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.json"
    facts = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "machine": {**_machine(), **machine},
        **payload,
    }
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return path


def arguments(doc: str, threads: bool = True) -> argparse.ArgumentParser:
    """The options that every benchmark has: --out, --quick, --repeats and, if asked, --threads."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the record")
    parser.add_argument("--quick", action="store_true", help="a trial run: little data, one repeat")
    parser.add_argument("--repeats", type=int, default=5)
    if threads:
        parser.add_argument("--threads", type=int, default=1)
    return parser


def print_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their names; numbers get three digits after the point."""
    texts = [[_experiment(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(names, *texts, strict=True)]
    for row in [list(names), *texts]:
        first, *rest = (
            (text.ljust if at == 0 else text.rjust)(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join([first, *rest]))


def _experiment(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _machine() -> dict[str, Any]:
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _cpu(),
        "processors": len(affinity(0)) if affinity else os.cpu_count(),
        "load_before": LOAD_BEFORE,
        "python": sys.version.split()[0],
        "libraries": {name: _version(name) for name in LIBRARIES},
        "commit": _git("rev-parse", "HEAD"),
        "changed_since": _git("status", "--porcelain", "--", "src", "benchmarks").splitlines(),
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _git(*words: str) -> str:
    if shutil.which("git") is None:
        return "unknown"
    done = subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, text=True, check=False)
    return done.stdout.strip("\n")
