"""Write a large made-up train set with its signals; `memory.py` starts this.

    python benchmarks/speed/large_rows.py FOLDER ROWS

Makes FOLDER/encoded, FOLDER/signals and FOLDER/teacher through the writers of the pipelines, and
FOLDER/params.json with the demo's parameters. What rows and signals say means nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from kedro.framework.startup import bootstrap_project
from paired import PROJECT

from alpkd_pipeline.distillation.cache import write_signals
from alpkd_pipeline.models.encoder import load_classifier, load_tokenizer, save_classifier
from alpkd_pipeline.models.source import DEMO_FOLDER
from alpkd_pipeline.project.config_loader import ExperimentConfigLoader
from alpkd_pipeline.settings import CONFIG_LOADER_ARGS
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, write_encoded
from alpkd_pipeline.tasks.sources.demo import TASK
from alpkd_pipeline.training.predict import BatchOutput

SHORTEST, LONGEST = 20, 40
"""Tokens of a row."""
AT_ONCE = 4096


def make(folder: Path, rows: int) -> None:
    """Write everything that a student's training reads."""
    model, tokenizer = load_classifier(DEMO_FOLDER, TASK, seed=0), load_tokenizer(DEMO_FOLDER)
    layers, width = model.config.num_hidden_layers, model.config.hidden_size
    for name, count in (("train", rows), ("dev", 64)):
        write_encoded(folder / "encoded", name, encoded(count, model.config.vocab_size))
        write_signals(folder / "signals", name, count, outputs(count, layers, width), "fp16")
    (folder / "teacher").mkdir()
    save_classifier(model, tokenizer, folder / "teacher")
    bootstrap_project(PROJECT)
    given = {"method": {"name": "alp_kd"}, "signals": {"dtype": "fp16"}}
    loader = ExperimentConfigLoader(
        str(PROJECT / "conf"), runtime_params=given, **CONFIG_LOADER_ARGS
    )
    write_json(folder / "params.json", loader.params.plain())


def encoded(count: int, vocabulary: int) -> EncodedSplit:
    """Rows of random tokens."""
    draw = np.random.default_rng(0)
    sizes = draw.integers(SHORTEST, LONGEST + 1, count)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return EncodedSplit(
        offsets=offsets,
        input_ids=draw.integers(5, vocabulary, offsets[-1], dtype=np.int32),
        token_type_ids=np.zeros(offsets[-1], dtype=np.int8),
        labels=draw.integers(0, 2, count),
        idx=np.arange(count),
        max_length=LONGEST,
        cut_rows=0,
    )


def outputs(count: int, layers: int, width: int) -> Iterator[BatchOutput]:
    """A teacher's outputs, batch by batch."""
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(AT_ONCE, layers, width, generator=draw)
    logits = torch.randn(AT_ONCE, len(TASK.label_names), generator=draw)
    for start in range(0, count, AT_ONCE):
        rows = np.arange(start, min(start + AT_ONCE, count))
        yield BatchOutput(rows, logits[: len(rows)], states[: len(rows)])


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
