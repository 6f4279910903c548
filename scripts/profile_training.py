"""Where the time of a training step goes.

    python scripts/profile_training.py RUN_FOLDER

The first steps of a training are repeated in a folder of their own: some to warm up, some by the
clock alone, some under torch's profiler. `profile.txt` has the milliseconds of a step, the shares
of kinds of work and the operators that take most of it; `trace.json` opens in chrome://tracing or
ui.perfetto.dev.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.profiler import ProfilerActivity, profile

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.run_config import RunConfig, read_config
from alpkd_pipeline.training.student import train_student
from alpkd_pipeline.training.teacher import train_teacher

WARM_UP = 5

TRAIN: dict[str, Callable[[RunConfig], None]] = {"teacher": train_teacher, "student": train_student}

KINDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("attention", ("scaled_dot_product", "_scaled_dot", "_softmax", "_safe_softmax")),
    ("matrix products", ("mm", "addmm", "bmm", "baddbmm", "linear", "matmul", "mkldnn_linear")),
    ("dropout", ("bernoulli_", "native_dropout", "dropout")),
    ("optimiser", ("_fused_adamw", "_foreach_add", "_foreach_mul", "_foreach_lerp")),
    ("gradient norm", ("linalg_vector_norm", "_foreach_norm")),
    ("embeddings", ("embedding", "embedding_dense_backward", "index_select")),
    ("layer norms", ("native_layer_norm",)),
    ("activations", ("gelu", "tanh", "silu")),
    ("memory: copies, casts, zeros", ("copy_", "_to_copy", "fill_", "zero_", "clone", "cat")),
)
"""Kind of work -> the beginnings of the names of its operators; the first that fits counts."""


@dataclass
class _Watch:
    """Counts optimiser steps; starts and stops the clock and the profiler."""

    steps: int
    device: torch.device
    ends: list[float] = field(default_factory=list)
    profiler: Any = None

    def __call__(self, *_: Any) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.ends.append(time.perf_counter())
        if len(self.ends) == WARM_UP + self.steps:
            gpu = [ProfilerActivity.CUDA] if self.device.type == "cuda" else []
            self.profiler = profile(activities=[ProfilerActivity.CPU, *gpu])
            self.profiler.__enter__()
        elif len(self.ends) == WARM_UP + 2 * self.steps:
            self.profiler.__exit__(None, None, None)
            raise _EnoughError

    @property
    def milliseconds(self) -> list[float]:
        """Of the steps that were measured by the clock alone."""
        timed = self.ends[WARM_UP - 1 : WARM_UP + self.steps]
        return [1000 * (b - a) for a, b in pairwise(timed)]


class _EnoughError(Exception):
    """All steps that were asked for are done."""


def profile_run(folder: Path, out: Path, steps: int) -> Path:
    """Profile the first steps of a training: so many by the clock, and as many again by torch.

    Nothing changes in its run folder; `profile.txt`, which is returned, and `trace.json` go to
    `out`.

    Raises:
        UserError: not a training, an input of it is gone, or it has too few steps.
    """
    run = read_config(folder)
    if run.stage not in TRAIN or (run.stage == "teacher" and run.params["teacher"]["finetuned"]):
        raise UserError(f"{folder}: nothing is trained here; name the folder of a training")
    for name, path in run.inputs.items():
        if not path.is_dir():
            raise UserError(f"{folder}: its input '{name}', {path}, is gone; make it again first")
    asked = run.training
    hardware = resolve_hardware(asked.device, asked.precision, asked.threads)
    watch = _Watch(steps, torch.device(hardware.device))
    with tempfile.TemporaryDirectory() as work, register_optimizer_step_post_hook(watch):
        try:
            TRAIN[run.stage](replace(run, folder=Path(work)))
        except _EnoughError:
            pass
        else:
            raise UserError(
                f"{folder}: this training has {len(watch.ends)} steps and"
                f" {WARM_UP + 2 * steps} are needed; ask for fewer with --steps"
            )
    out.mkdir(parents=True, exist_ok=True)
    watch.profiler.export_chrome_trace(str(out / "trace.json"))
    events = watch.profiler.key_averages()
    where = f"{hardware.device_name}, {hardware.precision}, threads: {hardware.threads}"
    text = out / "profile.txt"
    text.write_text("\n".join(_report(run.name, where, watch, events)) + "\n", encoding="utf-8")
    return text


def _report(name: str, where: str, watch: _Watch, events: Any) -> Iterator[str]:
    times = watch.milliseconds
    quick, slow = min(times), max(times)
    yield f"{name}: {statistics.median(times):.1f} ms a step ({quick:.1f} to {slow:.1f})"
    yield where
    yield ""
    on_gpu = watch.device.type == "cuda"
    order = "self_device_time_total" if on_gpu else "self_cpu_time_total"
    shares = kinds_of_work((event.key, float(getattr(event, order))) for event in events)
    for kind, share in shares.items():
        yield f"{share:6.1%}  {kind}"
    yield ""
    yield events.table(sort_by=order, row_limit=25, max_name_column_width=40)


def kinds_of_work(operators: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Shares of the time of operators, without their parts, by kind of work, the largest first."""
    sums: dict[str, float] = {}
    for name, seconds in operators:
        kind = _kind(name)
        sums[kind] = sums.get(kind, 0.0) + seconds
    total = sum(sums.values()) or 1.0
    return {k: v / total for k, v in sorted(sums.items(), key=lambda item: -item[1])}


def _kind(name: str) -> str:
    if name.startswith("Optimizer."):
        return "optimiser"
    plain = name.removeprefix("aten::")
    for kind, beginnings in KINDS:
        if plain.startswith(beginnings):
            return kind
    return "other"


def main() -> int:
    """Profile the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Show where the time of a training step goes.")
    parser.add_argument("folder", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path, default=Path("profile"))
    parser.add_argument("--steps", type=int, default=20)
    asked = parser.parse_args()
    try:
        text = profile_run(asked.folder, asked.out, asked.steps)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(text.read_text("utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
