"""The dev rows by which an export is judged: what torch says of them, and what a folder says."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from alpkd_pipeline.errors import UserError
from alpkd_pipeline.evaluation.score import check_split, loaded_model
from alpkd_pipeline.export.gate import Rows
from alpkd_pipeline.tasks.encode import read_encoded
from alpkd_pipeline.tasks.validate import text_keys
from alpkd_pipeline.training.devices import resolve_hardware
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.predict import predict
from alpkd_pipeline.training.run_config import RunConfig

Row = tuple[str, ...]
"""One text, or two."""


@dataclass(frozen=True)
class Dev:
    """The dev rows of a task, all of its splits one after the other."""

    rows: Rows
    texts: list[Row]
    unseen: np.ndarray  # (N,) whether train has no such row
    digest: str  # the sha256 of names, texts and labels


def read_dev(run: RunConfig, model: Path, encoded: Path, splits: Path) -> Dev:
    """The dev rows with torch's logits in fp32.

    Raises:
        UserError: there are none, or they do not fit the model.
    """
    task = run.task
    frames = {name: pd.read_parquet(splits / f"{name}.parquet") for name in task.dev_splits}
    seen = {*text_keys(pd.read_parquet(splits / "train.parquet"), task)}
    hardware = resolve_hardware(run.training.device, "fp32", run.training.threads)
    limit, logits = RowLimit(run.training.eval_batch_size, "evaluation"), []
    with loaded_model(model, task, hardware) as loaded:
        for name in frames:
            split = read_encoded(encoded, name)
            check_split(loaded, split, name)
            logits.append(predict(loaded, split, limit))
    names, texts, keys = [], [], []
    for name, frame in frames.items():
        prefix = f"{name} " if len(frames) > 1 else ""
        names += [f"{prefix}{idx}" for idx in frame["idx"]]
        texts += list(zip(*(frame[column] for column in task.text_columns), strict=True))
        keys += text_keys(frame, task)
    if not texts:
        raise UserError(f"{splits} has no dev rows, so an export cannot be judged")
    labels = np.concatenate([frame["label"].to_numpy() for frame in frames.values()])
    told = json.dumps([names, texts, labels.tolist()], ensure_ascii=False)
    return Dev(
        Rows(task, names, labels, np.concatenate(logits)),
        texts,
        np.array([key not in seen for key in keys]),
        hashlib.sha256(told.encode()).hexdigest(),
    )


def answers_of(folder: Path, form: str | None, dev: Dev, threads: int) -> dict[str, np.ndarray]:
    """What a published folder, loaded anew, says of the dev rows, as `gate.judge` takes it.

    Args:
        folder: where it lies.
        form: `fp32` or `int8`; None is the one that is served.
        dev: the rows.
        threads: of the runtime.

    Raises:
        UserError: a file of the folder is not what was published, or cannot be loaded.
    """
    from alpkd_pipeline.export.runtime import Published

    try:
        model = Published(folder, form, threads=threads)
        shown = tqdm(dev.texts, f"gate {model.form}", unit="row", disable=None, leave=False)
        logits = np.array([model.run(model.encode(*row)[0]) for row in shown], np.float32)
    except Exception as error:  # onnxruntime and tokenizers have errors of their own
        said = " ".join(str(error).split())
        raise UserError(f"{folder} does not answer as a published model: {said}") from None
    if dev.rows.task.kind == "regression":
        return {"logits": logits}
    probabilities = model.probabilities(logits)
    classes = model.classes(probabilities)
    return {"logits": logits, "probabilities": probabilities, "classes": classes}
