"""One pass of the teacher over the train and dev splits, for all students to come."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from alpkd_pipeline.distillation.cache import write_signals
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.runs.journal import MEMORY
from alpkd_pipeline.runs.manifest import write_json
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.training.allocator import freed_memory_kept
from alpkd_pipeline.training.devices import accelerator_for, environment, resolve_hardware
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import iterate_outputs
from alpkd_pipeline.training.run_config import RunConfig

log = logging.getLogger(__name__)

SIGNALS = "signals.json"


def record_signals(run: RunConfig, folder: Path) -> None:
    """Write the teacher's logits and pooled layers for train and the first dev split.

    Args:
        run: a signals or student run; `inputs.teacher` and `inputs.encoded` are read.
        folder: where the arrays go.
    """
    asked = run.params["teacher"]["training"]
    hardware = resolve_hardware(asked["device"], asked["precision"], asked["threads"])
    started, rows = time.perf_counter(), 0
    with accelerator_for(hardware) as accelerator, freed_memory_kept():
        source = run.inputs["teacher"]
        model = load_finetuned(source).to(accelerator.device)
        pad_id = int(load_tokenizer(source).pad_token_id)
        limit = RowLimit(asked["eval_batch_size"], "evaluation")
        for name in ("train", run.task.dev_splits[0]):
            split = read_encoded(run.inputs["encoded"], name)
            outputs = iterate_outputs(
                model,
                split,
                accelerator,
                batch_size=asked["eval_batch_size"],
                pad_id=pad_id,
                pooling=run.params["method"]["pooling"],
                layers=True,
                limit=limit,
            )
            write_signals(folder, name, len(split), outputs, run.params["signals"]["dtype"])
            rows += len(split)
    seconds = round(time.perf_counter() - started, 3)
    said = {"rows": rows, "seconds": seconds, "environment": environment(hardware)}
    write_json(folder / SIGNALS, said | ({MEMORY: limit.noted} if limit.noted else {}))
    log.info("teacher signals: %d rows in %.1f s", rows, seconds)
