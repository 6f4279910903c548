"""How fast and how large each form of a model is, as it is used: from a text to its logits.

Every form has a process of its own, so that one's threads and memory are not another's. They are
timed in turn, block by block over the same real dev rows: what slows the machine down for a while
slows down all of them.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from alpkd_pipeline.errors import plural
from alpkd_pipeline.export.runtime import Published, Row
from alpkd_pipeline.export.settings import ExportSettings
from alpkd_pipeline.reporting.terminal import text_table
from alpkd_pipeline.store.fingerprint import processor
from alpkd_pipeline.store.run_folder import RunFolder

if TYPE_CHECKING:
    from rich.table import Table

log = logging.getLogger(__name__)

SPEED = "speed.json"

WARMUP = 20  # rows of each form before the first that counts
BLOCKS = 20  # so often each form has its turn
BATCH = 32
SEED = 0
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Of a processor, what int8 and bf16 answers and speeds depend on."""
BUSY = 1.5  # from this load on times are those of others too; this process has just been busy


@dataclass(frozen=True, slots=True)
class Form:
    """Something to be timed."""

    model: str  # `student` or `teacher`
    engine: str  # `torch` or `onnx`
    precision: str  # `fp32`, `bf16`, `int8`
    folder: Path  # the published folder, or the model's for torch
    files: tuple[str, ...]  # what it needs of it on disk, beside the tokenizer

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.model}, {'ONNX' if self.engine == 'onnx' else 'torch'} {self.precision}"


def measure(
    forms: Sequence[Form], rows: Sequence[Row], max_length: int, settings: ExportSettings
) -> dict[str, Any]:
    """Time all forms on drawn texts of the dev split, the same for all, of `max_length` tokens.

    `settings` say how many are timed one by one, and how many batches of `BATCH` as a whole, whose
    rows ONNX takes one by one.

    Returns:
        JSON-ready: `forms`, each with `name`, `model`, `engine`, `precision`; `one` (`p50_ms` and
        `p95_ms` with the tokenizer, `tokenizer_p50_ms`, `repeats`); `batch` (`rows`, `p50_ms`,
        `repeats`, `rows_per_second`); `disk_mb`; `memory_mb`, what its process held more after
        loading and answering than before. And `threads`, `processor`, `features`, `seed`,
        `price_per_hour`; `load`, how many processes were running or waiting in the minute before.
    """
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    if load is not None and load > BUSY:
        log.warning("the machine is busy (load %.1f): times are those of a busy machine", load)
    draw = np.random.default_rng(SEED)
    single = [[rows[i]] for i in draw.integers(len(rows), size=settings.repeats)]
    many = [
        [rows[i] for i in draw.integers(len(rows), size=BATCH)] for _ in range(settings.batches)
    ]
    warm = [[rows[i]] for i in draw.integers(len(rows), size=WARMUP)]
    # Ctrl-C reaches a worker too; the process that has asked for it ends it.
    left_alone = (signal.SIGINT, signal.SIG_IGN)
    with ExitStack() as stack:
        pools = (
            ProcessPoolExecutor(1, get_context("spawn"), signal.signal, left_alone) for _ in forms
        )
        workers = [stack.enter_context(pool) for pool in pools]
        loading = [
            worker.submit(_load, form, max_length, settings.threads, [*warm, many[0]])
            for worker, form in zip(workers, forms, strict=True)
        ]
        memory = [loaded.result() for loaded in loading]
        ones, manys = (_in_turn(workers, calls) for calls in (single, many))
    timed = [
        {
            "name": form.name,
            "model": form.model,
            "engine": form.engine,
            "precision": form.precision,
            "one": {
                "p50_ms": _ms(one.sum(axis=1), 50),
                "p95_ms": _ms(one.sum(axis=1), 95),
                "tokenizer_p50_ms": _ms(one[:, 0], 50),
                "repeats": settings.repeats,
            },
            "batch": {
                "rows": BATCH,
                "p50_ms": _ms(batch.sum(axis=1), 50),
                "repeats": settings.batches,
                "rows_per_second": float(BATCH / np.median(batch.sum(axis=1))),
            },
            "disk_mb": sum((form.folder / f).stat().st_size for f in form.files) / 1e6,
            "memory_mb": held / 1e6,
        }
        for form, held, one, batch in zip(forms, memory, ones, manys, strict=True)
    ]
    name, flags = processor()
    return {
        "forms": timed,
        "processor": name,
        "features": [one for one in FEATURES if one in flags],
        "threads": settings.threads,
        "load": load,
        "seed": SEED,
        "price_per_hour": settings.price_per_hour,
    }


def _ms(seconds: np.ndarray, share: float) -> float:
    return float(np.percentile(seconds, share) * 1e3)


def _in_turn(
    workers: Sequence[ProcessPoolExecutor], calls: Sequence[Sequence[Row]]
) -> list[np.ndarray]:
    """For each worker the seconds of each call, (calls, 2): tokenizer, model."""
    seconds: list[list[np.ndarray]] = [[] for _ in workers]
    for block in np.array_split(np.arange(len(calls)), min(BLOCKS, len(calls))):
        for worker, times in zip(workers, seconds, strict=True):
            times.append(worker.submit(_time, [calls[i] for i in block]).result())
    return [np.concatenate(times) for times in seconds]


_LOADED: dict[str, _Onnx | _Torch] = {}  # the one form of this process


def _load(form: Form, max_length: int, threads: int, warm: Sequence[Sequence[Row]]) -> int:
    """Load a form, answer some rows; how many bytes the process holds more than before."""
    if form.engine == "torch":
        import alpkd_pipeline.models.encoder  # noqa: F401 -- its libraries are not the model's
    process = psutil.Process()
    before, kind = process.memory_info().rss, _Onnx if form.engine == "onnx" else _Torch
    _LOADED["form"] = kind(form, max_length, threads)
    _time(warm)
    return max(0, process.memory_info().rss - before)


def _time(calls: Sequence[Sequence[Row]]) -> np.ndarray:
    model, seconds = _LOADED["form"], np.empty((len(calls), 2))
    for i, rows in enumerate(calls):
        started = time.perf_counter()
        encoded = model.encode(rows)
        between = time.perf_counter()
        model.run(encoded)
        seconds[i] = between - started, time.perf_counter() - between
    return seconds


class _Onnx:
    def __init__(self, form: Form, max_length: int, threads: int) -> None:
        self.model = Published(form.folder, form.precision, threads=threads, check=False)

    def encode(self, rows: Sequence[Row]) -> Any:
        return [self.model.encode(*row)[0] for row in rows]

    def run(self, encoded: Any) -> object:
        return [self.model.run(feed) for feed in encoded]


class _Torch:
    def __init__(self, form: Form, max_length: int, threads: int) -> None:
        import torch

        from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer

        torch.set_num_threads(threads)
        self.torch, self.max_length = torch, max_length
        bf16 = form.precision == "bf16"
        self.model = load_finetuned(form.folder).to(torch.bfloat16 if bf16 else torch.float32)  # type: ignore[arg-type]
        self.tokenizer = load_tokenizer(form.folder)

    def encode(self, rows: Sequence[Row]) -> Any:
        columns = [list(column) for column in zip(*rows, strict=True)]
        how: dict[str, Any] = {"truncation": "longest_first", "max_length": self.max_length}
        return self.tokenizer(*columns, padding=True, return_tensors="pt", **how)

    def run(self, encoded: Any) -> object:
        with self.torch.inference_mode():
            return self.model(**encoded).logits.float().numpy()


def cost_per_million(form: Mapping[str, Any], price_per_hour: float) -> float:
    """What a million rows cost one after the other, in the price's currency."""
    return price_per_hour * float(form["one"]["p50_ms"]) / 3.6


NUMBERS = ("ms", "p95", "rows/s", "disk MB", "RAM MB", "faster")
"""Milliseconds of one text (median, 95th percentile), rows in batches, sizes, and how many times
as fast as the teacher, or the model itself, in torch fp32."""


def speed_rows(speed: dict[str, Any]) -> list[list[str]]:
    """One line a form: its name and `NUMBERS`."""
    plain = [f for f in speed["forms"] if (f["engine"], f["precision"]) == ("torch", "fp32")]
    base = plain[-1]["one"]["p50_ms"]
    return [
        [
            form["name"],
            f"{form['one']['p50_ms']:.2f}",
            f"{form['one']['p95_ms']:.2f}",
            f"{form['batch']['rows_per_second']:,.0f}",
            f"{form['disk_mb']:,.1f}",
            f"{form['memory_mb']:,.0f}",
            f"{base / form['one']['p50_ms']:.1f} x",
        ]
        for form in speed["forms"]
    ]


def speed_table(folder: Path) -> Table:
    """The forms of a published folder as a table for the terminal."""
    speed = RunFolder(folder).json(SPEED)
    threads = plural(speed["threads"], "thread")
    title = f"one text at a time, tokenizer included, {threads}, {speed['processor']}"
    return text_table(["form", *NUMBERS], speed_rows(speed), NUMBERS, title)
