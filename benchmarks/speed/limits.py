"""How far an epoch of fine-tuning is from what this processor can do at best.

    python benchmarks/speed/limits.py --out FOLDER

For students of 3 and 2 of MiniLM's 6 layers on the first rows of RTE, MRPC and SST-2, the time of
an epoch of `no_kd` (`our_epoch` of `epoch.py`) stands beside three times that no way of writing the
same training on this processor goes below, each its operations over a rate measured in the same
process, before and after:

- `products`: the matrix products of the student, forward and backward (6 operations for each weight
  and token, 12 T d for each token and layer of attention over T places), padding included, over the
  best rate of one matrix product in the training's precision;
- `weights`: the optimiser reads weight, gradient and two moments of every trained number and writes
  back all but the gradient (28 bytes), over the speed of copying memory;
- `dropout`: the draws of every dropout, over the rate of torch's own `bernoulli_` on this device. A
  faster generator would lower this one, but gives other numbers.

What is left (`rest`): softmax, norms, GELU, moving activations through memory, losses, launching
small operations, and products of shapes that reach less than the best rate.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np
import torch
from epoch import our_epoch
from paired import arguments, paired, print_table, record, stopwatch
from real_rows import TASKS, RealRows, real_rows
from torch import nn

from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.training import run as run_module
from alpkd_pipeline.training.batching import epoch_batches
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.student import train_student

PRODUCTS = ((512, 384, 1536), (2048, 384, 1536), (2048, 1536, 384), (2048, 2048, 2048))
"""Sizes of which the fastest product counts."""

BYTES_PER_WEIGHT = 28
NUMBERS = 32 * 2**20


class _FoundError(Exception):
    """Ends a run at its loop; holds the model."""


def model_of(run: RunConfig) -> nn.Module:
    """The student as the loop gets it."""

    def stop(learner: Learner, *_: Any, **__: Any) -> NoReturn:
        raise _FoundError(learner.loaded.model)

    with patch.object(run_module, "fit", stop):
        try:
            train_student(run)
        except _FoundError as found:
            return found.args[0]
    raise AssertionError("the run ended before its loop")


def work_of(run: RunConfig) -> dict[str, float]:
    """Operations of an epoch's matrix products, bytes of its optimiser, draws of its dropout."""
    model, train = model_of(run), read_encoded(run.inputs["encoded"], "train")
    config: Any = model.config
    batches = epoch_batches(
        train.lengths, np.arange(len(train)), run.training.batch_size, run.seed, 0
    )
    layers, width, heads = config.num_hidden_layers, config.hidden_size, config.num_attention_heads
    matrices = sum(p.numel() for n, p in model.named_parameters() if "layer." in n and p.ndim == 2)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    products = draws = 0
    for rows in batches:
        longest = int(train.lengths[rows].max())
        places = len(rows) * longest
        products += 6 * matrices * places + 12 * layers * places * longest * width
        draws += places * ((2 * layers + 1) * width + layers * heads * longest)
    return {
        "steps": len(batches),
        "trained": trained,
        "products": products,
        "bytes": BYTES_PER_WEIGHT * trained * len(batches),
        "draws": draws,
    }


def rates(precision: str) -> dict[str, float]:
    """Operations, bytes and draws a second that this process reaches at best."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    best = 0.0
    for rows, inner, columns in PRODUCTS:
        left, right = torch.randn(rows, inner).to(dtype), torch.randn(inner, columns).to(dtype)
        best = max(best, 2 * rows * inner * columns / _quickest(partial(torch.matmul, left, right)))
    source, target = torch.zeros(NUMBERS), torch.zeros(NUMBERS)
    copied = 2 * 4 * NUMBERS / _quickest(lambda: target.copy_(source))
    drawn = torch.empty(2**20)
    return {
        "products": best,
        "bytes": copied,
        "draws": drawn.numel() / _quickest(lambda: drawn.bernoulli_(0.9)),
    }


def _quickest(work: Callable[[], object], times: int = 12) -> float:
    return min(stopwatch(work) for _ in range(times))


def measured(data: RealRows, layers: int, repeats: int, precision: str) -> dict[str, Any]:
    """An epoch's seconds beside its limits."""

    def run() -> RunConfig:
        shape = {**data.params["student"], "layers": layers}
        return data.run("no_kd", "student", student=shape, method=data.methods["no_kd"])

    work, before = work_of(run()), rates(precision)
    seconds = paired({"epoch": lambda: our_epoch(run())}, repeats)["epoch"]
    after = rates(precision)
    best = {name: max(before[name], after[name]) for name in before}
    limits = {
        "products": work["products"] / best["products"],
        "weights": work["bytes"] / best["bytes"],
        "dropout": work["draws"] / best["draws"],
    }
    median = statistics.median(seconds)
    return {
        "seconds": seconds,
        "median": median,
        "work": work,
        "rates": {"before": before, "after": after},
        "limits": limits,
        "shares": {name: value / median for name, value in limits.items()},
    }


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=384, help="the first rows of train")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    asked = parser.parse_args()
    rows, repeats = (64, 1) if asked.quick else (asked.rows, asked.repeats)
    hardware = resolve_hardware("auto", "auto", asked.threads)
    torch.set_num_threads(hardware.threads)
    cases = []
    for task in asked.tasks:
        with tempfile.TemporaryDirectory() as folder:
            data = real_rows(Path(folder), task, rows, asked.threads)
            case = partial(measured, data, repeats=repeats, precision=hardware.precision)
            cases += [{"task": task, "layers": layers, **case(layers)} for layers in (3, 2)]
    path = record(
        asked.out,
        "limits",
        {"rows": rows, "repeats": repeats, "cases": cases},
        threads=hardware.threads,
        precision=hardware.precision,
        device=hardware.device_name,
    )
    print_table(
        ["case", "s", "products", "weights", "dropout", "rest"],
        [
            [
                f"{c['task']} 6 -> {c['layers']}",
                c["median"],
                *(f"{100 * share:.0f} %" for share in c["shares"].values()),
                f"{100 * (1 - sum(c['shares'].values())):.0f} %",
            ]
            for c in cases
        ],
    )
    print(path)


if __name__ == "__main__":
    main()
