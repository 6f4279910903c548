"""Seconds of an epoch: ALP-KD beside no distillation, and our loop beside a bare PyTorch loop.

    python benchmarks/speed/epoch.py --out FOLDER
    python benchmarks/speed/epoch.py --out FOLDER --threads 1 2 --tasks rte --layers 3

Cases: the first 512 rows of RTE, MRPC and SST-2, students of 3 and 2 of MiniLM's 6 layers. For each
of them three sides train one epoch in turn, each on a new student with the same weights:

- `alp_kd`: our training, the teacher's signals from the cache (which is there already);
- `no_kd`: our training without a teacher;
- `bare`: what someone would write in a page of PyTorch for the same training as `no_kd`, see
  `bare_epoch`. Its student is the one that ours begins with.

Ours is `train_student` as it is, up to its call of the loop `fit`, which is timed; only evaluation
and saving do nothing, for they are no part of an epoch's time. The making of models, and what a run
prepares once, are left out on every side; the making of the optimiser is not.

`--explain` adds `bare_prepared`: the bare loop on the student as a run has prepared it for its own
loop. Where that is faster than `bare`, `no_kd / bare` holds a gain beside the loop's overhead, and
`no_kd / bare_prepared` is the overhead alone.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import numpy as np
import torch
from paired import arguments, paired, print_table, record, stopwatch, summary
from real_rows import TASKS, TEACHER_NOTE, RealRows, real_rows
from synthetic_experiment import NoJudge
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training import run as run_module
from alpkd_pipeline.training import student
from alpkd_pipeline.training.batching import collate, epoch_batches
from alpkd_pipeline.training.devices import LoadedModel, resolve_hardware
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.optim import lr_factor
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.student import record_signals


class _MeasuredError(Exception):
    """Ends a run once its loop was timed; holds the seconds."""


def our_epoch(run: RunConfig, **instead: Any) -> float:
    """Seconds of one epoch of ours, or of as many as the run has.

    Args:
        run: the run.
        instead: arguments of `fit` to replace.
    """
    fit = run_module.fit

    def timed(learner: Learner, _judge: Any, *asked: Any, **parts: Any) -> NoReturn:
        parts |= instead
        raise _MeasuredError(stopwatch(lambda: fit(learner, NoJudge(), *asked, **parts)))

    return _measured(run, run_module, "fit", timed)


def bare(run: RunConfig) -> float:
    """Seconds of one epoch of the bare loop, on the student that a run begins with."""

    def timed(_: RunConfig, learner: Learner, *__: Any) -> None:
        # As PyTorch starts, and not as a run of ours before has left it.
        torch.use_deterministic_algorithms(False)
        torch.manual_seed(run.seed)
        raise _MeasuredError(_bare(run, learner.loaded))

    return _measured(run, student, "train_and_write", timed)


def bare_prepared(run: RunConfig) -> float:
    """Seconds of one epoch of the bare loop, on the student that a run gives to its own loop."""

    def timed(learner: Learner, *_: Any, **__: Any) -> NoReturn:
        raise _MeasuredError(_bare(run, learner.loaded))

    return _measured(run, run_module, "fit", timed)


def _measured(run: RunConfig, module: Any, name: str, timed: Any) -> float:
    """Begin a run with one of its functions replaced by one that times."""
    with patch.object(module, name, timed):
        try:
            student.train_student(run)
        except _MeasuredError as found:
            return float(found.args[0])
    raise AssertionError("the run ended before its loop")


def _bare(run: RunConfig, student: LoadedModel) -> float:
    train = read_encoded(run.inputs["encoded"], "train")
    return stopwatch(lambda: bare_epoch(student, train, run.training, run.seed))


def bare_epoch(
    student: LoadedModel, train: EncodedSplit, settings: TrainingSettings, seed: int
) -> None:
    """The same epoch in plain PyTorch, as its author would want it: nothing is read or written.

    The same: the batches (our `epoch_batches` and `collate` stand for its data loader), autocast,
    dropout, loss, clipping, fused AdamW with the same groups, and the schedule. What only ours has:
    deterministic kernels, the check that loss and gradient are finite, running sums, the event log,
    the progress bar. So the ratio is the price of all of these. The loss is never read.
    """
    model, on, pad_id = student.model, student.accelerator, student.pad_id
    batches = epoch_batches(train.lengths, np.arange(len(train)), settings.batch_size, seed, 0)
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=settings.lr, fused=True)
    warmup = int(settings.warmup_ratio * len(batches))
    schedule = LambdaLR(optimiser, partial(lr_factor, total=len(batches), warmup=warmup))
    bf16 = on.hardware.precision == "bf16"
    model.train()
    for rows in batches:
        batch = collate(train, rows, pad_id).to(on.device)
        with torch.autocast(on.device.type, torch.bfloat16, enabled=bf16):
            logits = model(**batch.inputs).logits
        F.cross_entropy(logits.float(), batch.labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)


SIDES = {
    "alp_kd": ("alp_kd", our_epoch),
    "no_kd": ("no_kd", our_epoch),
    "bare": ("no_kd", bare),
    "bare_prepared": ("no_kd", bare_prepared),
}
"""Each side's method, and how one of its epochs is timed."""


def measured(data: RealRows, layers: int, repeats: int, names: list[str]) -> dict[str, Any]:
    """Some sides of one task and depth."""

    def side(name: str) -> float:
        method, epoch = SIDES[name]
        shape = {**data.params["student"], "layers": layers}
        return epoch(data.run(name, "student", student=shape, method=data.methods[method]))

    ratios = [("alp_kd", "no_kd"), *(("no_kd", name) for name in names if name.startswith("bare"))]
    return summary(paired({name: partial(side, name) for name in names}, repeats), ratios)


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__, threads=False)
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rows", type=int, default=512, help="the first rows of train")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--layers", type=int, nargs="+", default=[3, 2])
    parser.add_argument("--explain", action="store_true", help="the side bare_prepared as well")
    asked = parser.parse_args()
    rows, repeats = (64, 1) if asked.quick else (asked.rows, asked.repeats)
    names = list(SIDES)[: 4 if asked.explain else 3]
    cases = []
    for threads in asked.threads:
        for task in asked.tasks:
            with tempfile.TemporaryDirectory() as folder:
                data = real_rows(Path(folder), task, rows, threads)
                record_signals(data.run("recorded", "signals"), data.inputs["signals"])
                for layers in asked.layers:
                    found = measured(data, layers, repeats, names)
                    cases.append({"task": task, "layers": layers, "threads": threads, **found})
    hardware = resolve_hardware("auto", "auto", asked.threads[0])
    path = record(
        asked.out,
        "epoch",
        {"rows": rows, "repeats": repeats, "teacher": TEACHER_NOTE, "cases": cases},
        threads=asked.threads,
        precision=hardware.precision,
        device=hardware.device_name,
    )
    print_table(
        ["case", *cases[0]["medians"], *cases[0]["ratios"]],
        [
            [
                f"{c['task']} 6 -> {c['layers']}, threads {c['threads']}",
                *c["medians"].values(),
                *c["ratios"].values(),
            ]
            for c in cases
        ],
    )
    print(path)


if __name__ == "__main__":
    main()
