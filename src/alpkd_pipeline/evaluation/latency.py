"""How fast a finished model answers, one example at a time or many at once, and its size."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import check_split, first_dev, loaded_model
from alpkd_pipeline.models.model_files import read_header, weight_files
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.batching import collate
from alpkd_pipeline.training.devices import Hardware, LoadedModel, environment

MEASURED = "from padded token ids in memory to logits in memory; tokenising is not included"


def measure_latency(
    model_folder: Path,
    encoded: Path,
    task: Task,
    hardware: Hardware,
    *,
    warmup: int = 5,
    repeats: int = 50,
    batch_size: int = 32,
    seed: int = 0,
    budget_seconds: float = 10.0,
) -> dict[str, Any]:
    """Time a model on rows of the first dev split, so on texts as long as real ones.

    Each repeat takes other rows; the seed makes them the same for every model. A batch is padded
    to its longest row and not sorted by length, as requests that arrive together would be.

    Compare models at the same number of threads only. When the budget for both measurements is
    used up the repeats done so far count, at least one of each kind.

    Returns:
        JSON-ready: `batch_1` (`p50_ms`, `repeats`), `batched` (`batch_size`,
        `examples_per_second` as the median over the repeats, `repeats`), `mean_tokens` of the rows
        at batch 1, how it was measured, and the `environment`.

    Raises:
        UserError: no rows in the dev split, or a model that does not fit.
    """
    name, split = first_dev(encoded, task, "there is nothing to time")
    draw = np.random.Generator(np.random.PCG64(seed))
    singles = draw.integers(len(split), size=(warmup + repeats, 1))
    batches = draw.integers(len(split), size=(warmup + repeats, batch_size))
    with loaded_model(model_folder, task, hardware) as loaded:
        check_split(loaded, split, name)
        predict = partial(_seconds, loaded, split)
        one = time_calls(predict, singles, warmup, budget_seconds / 2)
        many = time_calls(predict, batches, warmup, budget_seconds / 2)
    return {
        "batch_1": {"p50_ms": float(np.percentile(one, 50) * 1e3), "repeats": len(one)},
        "batched": {
            "batch_size": batch_size,
            "examples_per_second": float(batch_size / np.median(many)),
            "repeats": len(many),
        },
        "mean_tokens": float(split.lengths[singles].mean()),
        "split": name,
        "seed": seed,
        "warmup": warmup,
        "asked_repeats": repeats,
        "measured": MEASURED,
        "environment": environment(hardware),
    }


def time_calls(
    predict: Callable[[np.ndarray], float], rows: np.ndarray, warmup: int, seconds: float
) -> list[float]:
    """The seconds of a pass over each line of rows (warm-up + repeats, B), as `predict` tells them.

    After `seconds` no new pass begins. Those of the warm-up do not count; the last pass alone does
    if the time ended before it was over.
    """
    until = time.perf_counter() + seconds
    taken: list[float] = []
    for members in rows:
        taken.append(predict(members))
        if time.perf_counter() > until:
            break
    return taken[warmup:] or taken[-1:]


def _seconds(loaded: LoadedModel, split: EncodedSplit, rows: np.ndarray) -> float:
    batch = collate(split, rows, loaded.pad_id)
    started = time.perf_counter()
    moved = batch.to(loaded.accelerator.device)
    with torch.no_grad(), loaded.accelerator.autocast():
        logits, _ = forward_signal(loaded.model, moved.inputs, pooling="cls", layers=False)
    logits.float().cpu()  # waits for a GPU to be done
    return time.perf_counter() - started


_EMBEDDING = re.compile(r"(?:^|[._])embeddings?\.weight$")
"""Tables are named `word_embeddings.weight`, `tok_embeddings.weight`, ...; `embeddings.LayerNorm`
and `embeddings_project` are no tables, nor are MPNet's few biases by distance (32 a head)."""


def model_size(folder: Path) -> dict[str, int]:
    """Parameters and bytes of a folder that holds model.safetensors, or its shards.

    Returns:
        `parameters`; `parameters_without_embeddings`, the part that depth changes (tables of words,
        positions and token types left out); `file_bytes` of the weight files.

    Raises:
        UserError: no weight file, or a damaged one.
    """
    files = weight_files(folder)
    if not files:
        raise UserError(f"{folder} holds no *.safetensors file: it is not a saved model")
    counts = {
        name: math.prod(shape)
        for path in files
        for name, dtype, shape in read_header(path)
        if "F" in dtype  # F16, BF16, F32, F64, F8_...; whole numbers are buffers
    }
    tables = sum(n for name, n in counts.items() if _EMBEDDING.search(name))
    total = sum(counts.values())
    return {
        "parameters": total,
        "parameters_without_embeddings": total - tables,
        "file_bytes": sum(path.stat().st_size for path in files),
    }
