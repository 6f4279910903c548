"""A training step on one large GPU: distillation beside fine-tuning, and how full the chip is.

    PYTHONPATH=src python benchmarks/speed/gpu.py --out FOLDER
    PYTHONPATH=src python benchmarks/speed/gpu.py --out FOLDER --layers 6 --profile

BERT-base with random weights on the rows of `synthetic_experiment`, 12 -> 6 and 12 -> 2 layers,
bf16. For each depth and batch size two sides train in turn through our loop `fit`:

- `alp_kd`: distillation from a cache of signals in fp16;
- `no_kd`: fine-tuning without a teacher.

Each training begins with a warm-up that is not timed; the GPU is waited for at both ends of the
timed steps. `peak` is the best rate of a large bf16 matrix product in the same process, measured
before and after. The share of it is that of the student's own operations (`work_of`): of those on
tokens, and of those on padding as well, which the chip does too. Embeddings, losses and the
optimiser count as time and not as work. Memory is the most that tensors took on the GPU.

On a CPU, as with --quick, nothing of this means anything; it only shows that the script runs.
"""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from paired import arguments, paired, print_table, record, stopwatch, summary
from synthetic_experiment import (
    BERT_BASE,
    COMPILING,
    SEED,
    TINY,
    Experiment,
    Steps,
    Student,
    wait_for,
    work_of,
)
from torch.profiler import ProfilerActivity, profile

from alpkd_pipeline.training.devices import Accelerator, accelerator_for, resolve_hardware
from alpkd_pipeline.training.run import seed_everything

METHODS = ("no_kd", "alp_kd")
PRODUCTS = 20
"""Matrix products timed together."""


def matrix_rates(device: torch.device, size: int, repeats: int) -> list[float]:
    """FLOP/s of the product of two random bf16 matrices of some size, one for each repeat."""
    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))

    def products() -> None:
        for _ in range(PRODUCTS):
            left @ right
        wait_for(device)

    seconds = paired({"products": lambda: stopwatch(products)}, repeats)["products"]
    return [PRODUCTS * 2 * size**3 / took for took in seconds]


def measured(
    experiment: Experiment, on: Accelerator, layers: int, batch_size: int, asked: Any, steps: Steps
) -> dict[str, Any]:
    """Both sides of one depth and batch size; seconds are those of all timed steps."""
    if on.device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(on.device)
    students = {m: Student(experiment, on, m, layers, asked.compile) for m in METHODS}
    sides = {m: partial(_seconds, student, batch_size, steps) for m, student in students.items()}
    found = summary(paired(sides, asked.repeats), [("alp_kd", "no_kd")])
    work = {
        name: work_of(students["no_kd"], batch_size, steps, padded=padded)
        for name, padded in (("real", False), ("padded", True))
    }
    if asked.profile:
        _profile(students["alp_kd"], batch_size, asked.out / f"gpu-{layers}-{batch_size}.txt")
    return {
        "teacher_layers": experiment.sizes.teacher_layers,
        "layers": layers,
        "batch": batch_size,
        "tokens": {name: w.tokens for name, w in work.items()},
        "flops": {name: w.flops for name, w in work.items()},
        "padding": 1 - work["real"].tokens / work["padded"].tokens,
        "memory_bytes": torch.cuda.max_memory_allocated() if on.device.type == "cuda" else None,
        **found,
    }


def _seconds(student: Student, batch_size: int, steps: Steps) -> float:
    return student.train(batch_size, steps).seconds


def _profile(student: Student, batch_size: int, path: Path) -> None:
    """Write the operators and kernels of a few steps, those that take most time first."""
    on_gpu = torch.cuda.is_available()
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with profile(activities=kinds) as seen:
        student.train(batch_size, Steps(warm_up=2, timed=8))
    order = f"self_{'device' if on_gpu else 'cpu'}_time_total"
    table = seen.key_averages().table(sort_by=order, row_limit=60, max_name_column_width=80)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(table + "\n", encoding="utf-8")


def with_rates(case: dict[str, Any], peak: float, steps: Steps) -> dict[str, Any]:
    """A case and what follows from its medians and the matrix peak, for each side."""
    rates = {
        side: {
            "milliseconds_a_step": 1000 * seconds / steps.timed,
            "tokens_a_second": {n: t / seconds for n, t in case["tokens"].items()},
            "flops_a_second": {n: f / seconds for n, f in case["flops"].items()},
            "share_of_peak": {n: f / seconds / peak for n, f in case["flops"].items()},
        }
        for side, seconds in case["medians"].items()
    }
    return {**case, "rates": rates}


def row(case: dict[str, Any]) -> list[object]:
    """A case as a row of the table."""
    no_kd, alp_kd = (case["rates"][m] for m in METHODS)
    shares = [r["share_of_peak"][n] for r in (no_kd, alp_kd) for n in ("real", "padded")]
    return [
        f"{case['teacher_layers']} -> {case['layers']}, batch {case['batch']}",
        no_kd["milliseconds_a_step"],
        alp_kd["milliseconds_a_step"],
        *case["ratios"].values(),
        round(alp_kd["tokens_a_second"]["real"]),
        *(f"{share:.1%}" for share in (*shares, case["padding"])),
        round((case["memory_bytes"] or 0) / 1e9, 2),
    ]


NAMES = (
    "case",
    "no_kd ms",
    "alp_kd ms",
    "ratio",
    "alp_kd tokens/s",
    "no_kd of peak",
    "with padding",
    "alp_kd of peak",
    "with padding",
    "padding",
    "GB",
)


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--layers", type=int, nargs="+", default=[6, 2])
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 256, 1024])
    parser.add_argument("--steps", type=int, default=48, help="timed steps of a training")
    parser.add_argument("--warm-up", type=int, default=16, help="steps before them")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp32"))
    parser.add_argument("--compile", default="none", choices=COMPILING)
    parser.add_argument("--profile", action="store_true", help="write the kernels of each case")
    parser.add_argument(
        "--matrix", type=int, default=8192, help="size of the matrices for the peak"
    )
    asked = parser.parse_args()
    sizes = BERT_BASE
    if asked.quick:
        sizes, asked.layers, asked.batches, asked.matrix = TINY, [2, 1], [4, 8], 256
        asked.warm_up, asked.steps, asked.repeats = 2, 4, 1
    steps = Steps(asked.warm_up, asked.steps)
    hardware = resolve_hardware("auto", asked.precision, asked.threads)
    with tempfile.TemporaryDirectory() as folder, accelerator_for(hardware) as on:
        experiment = Experiment(sizes, max(asked.batches) * steps.all, Path(folder) / "signals")
        experiment.write_signals()
        # First of all: cuBLAS reads what a training sets at its first product.
        seed_everything(SEED)
        products = matrix_rates(on.device, asked.matrix, asked.repeats)
        cases = [
            measured(experiment, on, layers, batch, asked, steps)
            for layers in asked.layers
            for batch in asked.batches
        ]
        products += matrix_rates(on.device, asked.matrix, asked.repeats)
        facts = experiment.facts
    peak = max(products)
    cases = [with_rates(case, peak, steps) for case in cases]
    path = record(
        asked.out,
        "gpu",
        {
            "synthetic": facts,
            "steps": {"warm_up": steps.warm_up, "timed": steps.timed},
            "repeats": asked.repeats,
            "compile": asked.compile,
            "matrix": {"size": asked.matrix, "flops_a_second": products, "peak": peak},
            "cases": cases,
        },
        threads=hardware.threads,
        precision=hardware.precision,
        device=hardware.device_name,
        cuda=torch.version.cuda,
    )
    print_table(NAMES, [row(case) for case in cases])
    middle = statistics.median(products)
    print(f"matrix products: peak {peak / 1e12:.1f} TFLOP/s, median {middle / 1e12:.1f}")
    print(path)


if __name__ == "__main__":
    main()
