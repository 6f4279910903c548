"""The dev rows by which an export is judged: what torch says of them, and what a folder says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import check_split, loaded_model
from alpkd_pipeline.export.gate import Rows
from alpkd_pipeline.export.runtime import Answer, Published, Row
from alpkd_pipeline.models.encoder import load_tokenizer
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.validate import text_keys
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.memory import MicrobatchSize
from alpkd_pipeline.training.predict import predict
from alpkd_pipeline.training.run_config import RunConfig


@dataclass(frozen=True)
class Dev:
    """The dev rows of a task, all of its splits one after the other."""

    rows: Rows
    texts: list[Row]
    unseen: np.ndarray  # (N,) whether train has no such row
    digest: str  # the sha256 of names, texts and labels
    splits: tuple[EncodedSplit, ...]  # what torch was given

    def encoded(self) -> Iterator[tuple[list[int], list[int] | None]]:
        """The token ids that torch was given for each row, and its token types if it has such."""
        for split in self.splits:
            for start, end in pairwise(split.offsets):
                types = split.token_type_ids
                ids = split.input_ids[start:end].tolist()
                yield ids, None if types is None else types[start:end].tolist()


def read_dev(run: RunConfig, model: Path, encoded: Path, splits: Path) -> Dev:
    """The dev rows with torch's logits in fp32; UserError if there are none, or they do not fit
    the model."""
    task = run.task
    frames = {name: pd.read_parquet(splits / f"{name}.parquet") for name in task.dev_splits}
    given = {name: read_encoded(encoded, name) for name in frames}
    hardware = resolve_hardware(run.training.device, "fp32", run.training.threads)
    limit = MicrobatchSize(run.training.eval_batch_size, "evaluation")
    with loaded_model(model, task, hardware) as loaded:
        for name, split in given.items():
            check_split(loaded, split, name)
        logits = [predict(loaded, split, limit) for split in given.values()]
    names, texts, keys = [], [], []
    for name, frame in frames.items():
        prefix = f"{name} " if len(frames) > 1 else ""
        names += [f"{prefix}{idx}" for idx in frame["idx"]]
        texts += list(zip(*(frame[column] for column in task.text_columns), strict=True))
        keys += text_keys(frame, task)
    if not texts:
        raise UserError(f"{splits} has no dev rows, so an export cannot be judged")
    seen = {*text_keys(pd.read_parquet(splits / "train.parquet"), task)}
    labels = np.concatenate([frame["label"].to_numpy() for frame in frames.values()])
    content = json.dumps([names, texts, labels.tolist()], ensure_ascii=False)
    return Dev(
        Rows(task, names, labels, np.concatenate(logits)),
        texts,
        np.array([key not in seen for key in keys]),
        hashlib.sha256(content.encode()).hexdigest(),
        tuple(given.values()),
    )


def predictions_of(
    folder: Path, form: str, dev: Dev, threads: int
) -> tuple[np.ndarray, list[Answer]]:
    """What a form of a published folder, loaded anew, says: logits (N, C) and answers. UserError if
    a file is not what was published, cannot be loaded, or reads texts otherwise than torch did."""
    logits, predictions = [], []
    try:
        model = Published(folder, form, threads=threads)
        texts, pairs = [row[0] for row in dev.texts], [row[1] for row in dev.texts if len(row) > 1]
        rows = model.rows(texts, pairs or None)
        bar = tqdm(rows, f"gate {model.form}", unit="row", disable=None, leave=False)
        for row, given in zip(bar, dev.encoded(), strict=True):
            feed, cut = model.encode(*row)
            _check_read(folder, row, given, feed)
            logits.append(model.run(feed))
            predictions.append(model.answer(logits[-1], cut))
    except UserError:
        raise
    except Exception as error:  # onnxruntime and tokenizers have errors of their own
        reason = " ".join(str(error).split())
        raise UserError(f"{folder} does not answer as a published model: {reason}") from None
    return np.array(logits, np.float32), predictions


def check_tokenizer(folder: Path, dev: Dev, max_length: int) -> None:
    """Refuse a folder whose tokenizer, as transformers loads it, reads a dev row otherwise than
    torch was given it in training: answers would be others, and nothing else would say so."""
    tokenizer = load_tokenizer(folder)
    for row, given in zip(dev.texts, dev.encoded(), strict=True):
        found = tokenizer(*row, truncation="longest_first", max_length=max_length)
        _check_read(folder, row, given, {name: np.array([found[name]]) for name in found})


def _check_read(
    folder: Path,
    row: tuple[str | None, ...],
    given: tuple[list[int], list[int] | None],
    feed: Mapping[str, np.ndarray],
) -> None:
    for name, wanted in zip(("input_ids", "token_type_ids"), given, strict=True):
        found = feed[name][0].tolist() if name in feed else None
        if found != wanted:
            text = " / ".join(filter(None, row))
            raise UserError(
                f"{folder} reads {text!r:.80} otherwise than the model did in training"
                f" ({name} {found!s:.60} instead of {wanted!s:.60}): its tokenizer is another one"
            )
