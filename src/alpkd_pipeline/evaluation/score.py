"""A finished model, loaded as any user would, and its answers and scores on every split."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer
from alpkd_pipeline.store.event_log import MEMORY
from alpkd_pipeline.store.manifest import write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.labels import is_hidden
from alpkd_pipeline.tasks.metrics import Judge, score, score_predictions
from alpkd_pipeline.tasks.task import UNLABELLED, Task
from alpkd_pipeline.tasks.teacher_table import read_logits
from alpkd_pipeline.training.devices import Hardware, LoadedModel, accelerator_for, environment
from alpkd_pipeline.training.memory import MicrobatchSize, memory_errors
from alpkd_pipeline.training.predict import predict, write_predictions

log = logging.getLogger(__name__)

SCORES = "scores.json"


def check_split(loaded: LoadedModel, split: EncodedSplit, name: str) -> None:
    """Refuse token ids that the model has no embedding for.

    Raises:
        UserError: the split was encoded with another tokenizer.
    """
    most, known = int(split.input_ids.max(initial=0)), int(loaded.model.config.vocab_size)
    if most >= known:
        raise UserError(
            f"split '{name}' holds the token id {most}, but {loaded.folder} knows {known} tokens:"
            " the split was encoded with another model's tokenizer"
        )


def first_dev(encoded: Path, task: Task, missing: str) -> tuple[str, EncodedSplit]:
    """Name and rows of the first dev split; a UserError says what is `missing` without a row."""
    name = task.dev_splits[0]
    split = read_encoded(encoded, name)
    if not len(split):
        raise UserError(f"split '{name}' of {encoded} has no rows: {missing}")
    return name, split


@contextmanager
def loaded_model(folder: Path, task: Task, hardware: Hardware) -> Iterator[LoadedModel]:
    """Load a model from its folder alone, as any user of it would.

    Raises:
        UserError: the folder holds no fine-tuned model, or one with another number of outputs; or
            the device's memory is too short for what is done with it.
    """
    with memory_errors(), accelerator_for(hardware) as accelerator:
        model = load_finetuned(folder)
        if model.config.num_labels != task.num_labels:
            raise UserError(
                f"{folder} has {model.config.num_labels} outputs, but task '{task.name}' needs"
                f" {task.num_labels}: it was fine-tuned for another task"
            )
        model = model.to(accelerator.device)
        yield LoadedModel(folder, model, load_tokenizer(folder), accelerator)


def score_splits(
    model_folder: Path,
    encoded: Path,
    task: Task,
    out: Path,
    hardware: Hardware,
    *,
    splits: Sequence[str],
    batch_size: int,
    by: Judge = score_predictions,
    table: bool = False,
) -> dict[str, Any]:
    """Predict every named split, and score those whose labels are known.

    With `table` the answers are those of the table that lies with the encoded rows.

    Writes `predictions/<split>.csv` and `scores.json`. A split that the data does not have is
    passed over and named under `skipped`.

    Returns:
        What scores.json holds: `splits` (split -> `rows` and `scores`, which is None where any
        label is hidden; of train the `unlabelled` rows are counted and not scored), `skipped`,
        `environment`, and `memory` if it was too short for a batch.

    Raises:
        UserError: none of the splits is there, the model does not fit task or splits, or its
            answers are not numbers.
    """
    there = {path.stem for path in encoded.glob("*.arrow")}
    present = [name for name in splits if name in there]
    if not present:
        raise UserError(
            f"{encoded} holds none of the splits {', '.join(splits)}; run data preparation again"
        )
    limit = MicrobatchSize(batch_size, "evaluation")
    found: dict[str, Any] = {}
    with nullcontext() if table else loaded_model(model_folder, task, hardware) as loaded:
        for name in present:
            split = read_encoded(encoded, name)
            logits = (
                _predictions(loaded, split, name, limit) if loaded else read_logits(encoded, name)
            )
            write_predictions(out, task, name, split, np.arange(len(split)), logits)
            known = ~is_hidden(split.labels, task)
            # Train may hold rows without a label; of other splits a score of some rows would pass
            # for the whole.
            scored = known.any() if name == "train" else len(split) and known.all()
            scores = score(task, logits[known], split.labels[known], by) if scored else None
            told = ", ".join(f"{name} {value:.4f}" for name, value in (scores or {}).items())
            what = told if scored else "predicted, labels are hidden"
            log.info("%s, %s: %s", model_folder.name, name, what)
            found[name] = {"rows": len(split), "scores": scores}
            if scored and not known.all():
                found[name][UNLABELLED] = int((~known).sum())
    result = {
        "splits": found,
        "skipped": [name for name in splits if name not in there],
        "environment": environment(hardware),
        **({MEMORY: limit.noted} if limit.noted else {}),
    }
    write_json(out / SCORES, result)
    return result


def _predictions(
    loaded: LoadedModel, split: EncodedSplit, name: str, limit: MicrobatchSize
) -> np.ndarray:
    check_split(loaded, split, name)
    logits = predict(loaded, split, limit)
    if not np.isfinite(logits).all():
        raise UserError(
            f"the answers of {loaded.folder} on split '{name}' are not finite: its weights are"
            " damaged or its training diverged; train it again with a lower learning rate"
        )
    return logits
