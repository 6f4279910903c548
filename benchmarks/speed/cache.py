"""The cache of the teacher's signals: its making, its size, and how long a student waits for it.

    python benchmarks/speed/cache.py --out FOLDER

On the first 512 rows of RTE, MRPC and SST-2, with MiniLM as the teacher:

- seconds of `record` beside `forward`, in turn. `record` is what a run does for its train split:
  the pass of `iterate_outputs`, pooled, turned into fp16, checked and written by `write_signals`.
  `forward` is the bare pass over the same batches, longest first, with all hidden states asked for
  and thrown away. Padding the batches is part of both, loading the teacher of neither;
- bytes of the train split's files for each row, beside 2 n d + 64 for n layers of width d;
- seconds that a second student waits for the finished cache: the manifest is read, the files are
  opened, the first batch is gathered. `cold` is the same after the operating system was asked to
  forget the files' pages (Linux).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from paired import arguments, forget, paired, print_table, record, stopwatch, summary
from real_rows import TASKS, TEACHER_NOTE, RealRows, real_rows

from alpkd_pipeline.distillation.cache import CachedSignals, write_signals
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.store.manifest import is_complete, seal
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.training.batching import epoch_batches, sorted_batches
from alpkd_pipeline.training.devices import (
    Accelerator,
    LoadedModel,
    accelerator_for,
    resolve_hardware,
)
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import iterate_outputs

DTYPE = "fp16"
KEY = {"key": "signals-of-a-benchmark"}


def record_train(teacher: LoadedModel, split: EncodedSplit, batch_size: int, to: Path) -> None:
    """The train split's part of `record_signals`."""
    limit = MicrobatchSize(batch_size, "evaluation")
    outputs = iterate_outputs(teacher, split, limit, pooling="cls", layers=True)
    write_signals(to, "train", len(split), outputs, DTYPE)


def bare_forward(teacher: LoadedModel, split: EncodedSplit, batch_size: int) -> None:
    """The teacher over the same batches; its outputs are dropped."""
    teacher.model.train(False)
    for rows in sorted_batches(split.lengths, batch_size):
        batch = teacher.batch(split, rows)
        with torch.no_grad(), teacher.accelerator.autocast():
            teacher.model(**batch.inputs, output_hidden_states=True)


def wait(folder: Path, split: EncodedSplit, on: Accelerator, batch_size: int) -> None:
    """What stands between a student's training and the cache that another one has made."""
    assert is_complete(folder, KEY["key"])
    signals = CachedSignals(folder, "train", on.device, layers=True)
    batches = epoch_batches(split.lengths, np.arange(len(split)), batch_size, seed=0, epoch=0)
    signals.read(batches[0])


def measured(data: RealRows, on: Accelerator, repeats: int) -> dict[str, Any]:
    """All measures of one task."""
    source = data.inputs["teacher"]
    model = load_finetuned(source).to(on.device)
    teacher = LoadedModel(source, model, load_tokenizer(source), on)
    split = read_encoded(data.inputs["encoded"], "train")
    at_once = data.params["teacher"]["training"]["eval_batch_size"]
    folder = data.inputs["signals"]

    def recorded() -> float:
        for path in folder.glob("*"):
            path.unlink()
        return stopwatch(lambda: record_train(teacher, split, at_once, folder))

    sides = {
        "record": recorded,
        "forward": lambda: stopwatch(lambda: bare_forward(teacher, split, at_once)),
    }
    passes = summary(paired(sides, repeats), [("record", "forward")])
    size = sum(path.stat().st_size for path in folder.iterdir())
    seal(folder, KEY)
    batch_size = data.params["training"]["batch_size"]
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    return {
        **passes,
        "layers": layers,
        "width": width,
        "bytes": size,
        "bytes_per_row": size / len(split),
        "bytes_allowed": 2 * layers * width + 64,
        "wait": waits(folder, partial(wait, folder, split, on, batch_size), repeats),
    }


def waits(folder: Path, waiting: Callable[[], None], repeats: int) -> dict[str, Any]:
    """Seconds until the first batch is there, with and without the files' pages in memory."""

    def cold() -> float:
        forget(folder)
        return stopwatch(waiting)

    sides = {"warm": lambda: stopwatch(waiting)}
    if hasattr(os, "posix_fadvise"):
        sides["cold"] = cold
    return summary(paired(sides, repeats), [])


def main() -> None:
    """Measure, print, record."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=512, help="the first rows of train")
    asked = parser.parse_args()
    rows, repeats = (64, 1) if asked.quick else (asked.rows, asked.repeats)
    cases = {}
    hardware = resolve_hardware("auto", "auto", asked.threads)
    with accelerator_for(hardware) as on:
        for task in TASKS:
            with tempfile.TemporaryDirectory() as folder:
                data = real_rows(Path(folder), task, rows, asked.threads)
                cases[task] = measured(data, on, repeats)
    facts = {"rows": rows, "repeats": repeats, "dtype": DTYPE, "teacher": TEACHER_NOTE}
    path = record(
        asked.out,
        "cache",
        {**facts, "cases": cases},
        threads=hardware.threads,
        precision=hardware.precision,
        device=hardware.device_name,
    )
    print_table(
        ["task", "record", "forward", "record / forward", "bytes a row", "allowed", "wait"],
        [
            [
                task,
                *case["medians"].values(),
                *case["ratios"].values(),
                case["bytes_per_row"],
                case["bytes_allowed"],
                max(case["wait"]["medians"].values()),
            ]
            for task, case in cases.items()
        ],
    )
    print(path)


if __name__ == "__main__":
    main()
