"""How fast a finished model answers: one example at a time, and many at once."""

from __future__ import annotations

import json
import math
import re
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.loaded import LoadedModel, loaded_model
from alpkd_pipeline.models.states import forward_signal
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.batching import collate
from alpkd_pipeline.training.devices import environment

MEASURED = "from padded token ids in memory to logits in memory; tokenising is not included"


def measure_latency(
    model_folder: Path,
    encoded: Path,
    task: Task,
    *,
    device: str,
    precision: str,
    threads: int | str,
    warmup: int = 5,
    repeats: int = 50,
    batch_size: int = 32,
    seed: int = 0,
    budget_seconds: float = 10.0,
) -> dict[str, Any]:
    """Time a model on rows of the first dev split, so on texts as long as real ones.

    Each repeat takes other rows; the seed makes them the same for every model. A batch is padded
    to its longest row and not sorted by length, as requests that arrive together would be.

    Args:
        model_folder: the fine-tuned model.
        encoded: the folder of encoded splits.
        task: the task.
        device: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.
        precision: `auto`, `fp32` or `bf16`.
        threads: `auto` or a number; compare models at the same number only.
        warmup: passes before the clock counts.
        repeats: timed passes of each kind.
        batch_size: rows in a batch when throughput is measured.
        seed: draws the rows.
        budget_seconds: the time that both measurements may take together; when it is used up the
            repeats done so far count, at least one of each kind.

    Returns:
        JSON-ready: `batch_1` (`p50_ms`, `p95_ms`, `repeats`), `batched` (`batch_size`,
        `examples_per_second` as the median over the repeats, `repeats`), `mean_tokens` of the rows
        at batch 1, how it was measured, and the `environment`.

    Raises:
        UserError: no rows in the dev split, or a model that does not fit.
    """
    name = task.dev_splits[0]
    split = read_encoded(encoded, name)
    if not len(split):
        raise UserError(f"split '{name}' of {encoded} has no rows: there is nothing to time")
    draw = np.random.Generator(np.random.PCG64(seed))
    singles = draw.integers(len(split), size=(warmup + repeats, 1))
    batches = draw.integers(len(split), size=(warmup + repeats, batch_size))
    with loaded_model(
        model_folder, task, device=device, precision=precision, threads=threads
    ) as loaded:
        loaded.check_split(split, name)
        answer = _answerer(loaded, split)
        one = time_calls(answer, singles, warmup, budget_seconds / 2)
        many = time_calls(answer, batches, warmup, budget_seconds / 2)
    return {
        "batch_1": {
            "p50_ms": float(np.percentile(one, 50) * 1e3),
            "p95_ms": float(np.percentile(one, 95) * 1e3),
            "repeats": len(one),
        },
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
        "environment": environment(loaded.hardware),
    }


def time_calls(
    answer: Callable[[np.ndarray], float], rows: np.ndarray, warmup: int, seconds: float
) -> list[float]:
    """Time a pass over each line of rows, until all are done or the time is used up.

    Args:
        answer: makes one pass over some rows and returns the seconds that it took.
        rows: (warm-up + repeats, B).
        warmup: passes at the beginning that do not count.
        seconds: after this time no new pass begins.

    Returns:
        Seconds of each counted pass; the last pass alone if the time ended during warm-up.
    """
    until = time.perf_counter() + seconds
    taken: list[float] = []
    for members in rows:
        taken.append(answer(members))
        if time.perf_counter() > until:
            break
    return taken[warmup:] or taken[-1:]


def _answerer(loaded: LoadedModel, split: EncodedSplit) -> Callable[[np.ndarray], float]:
    def answer(rows: np.ndarray) -> float:
        batch = collate(split, rows, loaded.pad_id)
        started = time.perf_counter()
        moved = batch.to(loaded.accelerator.device)
        with torch.no_grad(), loaded.accelerator.autocast():
            logits, _ = forward_signal(loaded.model, moved.inputs, pooling="cls", layers=False)
        logits.float().cpu()  # waits for a GPU to be done
        return time.perf_counter() - started

    return answer


WEIGHTS = "*.safetensors"

_EMBEDDING = re.compile(r"(?:^|[._])embeddings?\.weight$")
"""Tables are named `word_embeddings.weight`, `tok_embeddings.weight`, ...; `embeddings.LayerNorm`
and `embeddings_project` are no tables."""

_LONGEST_HEADER = 100_000_000
"""The limit of the safetensors format, in bytes."""


def model_size(folder: Path) -> dict[str, int]:
    """Parameters and bytes of a model folder.

    Args:
        folder: holds model.safetensors, or its shards.

    Returns:
        `parameters`; `parameters_without_embeddings`, the part that depth changes (tables of words,
        positions and token types left out); `file_bytes` of the weight files.

    Raises:
        UserError: no weight file, or a damaged one.
    """
    files = sorted(folder.glob(WEIGHTS))
    if not files:
        raise UserError(f"{folder} holds no {WEIGHTS} file: it is not a saved model")
    counts = {name: n for path in files for name, n in _parameters(path).items()}
    tables = sum(n for name, n in counts.items() if _EMBEDDING.search(name))
    total = sum(counts.values())
    return {
        "parameters": total,
        "parameters_without_embeddings": total - tables,
        "file_bytes": sum(path.stat().st_size for path in files),
    }


def _parameters(path: Path) -> dict[str, int]:
    """Tensor name -> number of values; whole numbers are buffers, such as position ids."""
    try:
        return {
            name: math.prod(entry["shape"])
            for name, entry in _header(path).items()
            if name != "__metadata__" and "F" in entry["dtype"]  # F16, BF16, F32, F64, F8_...
        }
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a safetensors file: {error!r}") from None


def _header(path: Path) -> dict[str, Any]:
    """The JSON header of a safetensors file: 8 bytes of length, little-endian, then the text."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > _LONGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        return dict(json.loads(file.read(length)))
