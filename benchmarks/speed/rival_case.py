"""One case of rivals.py on disk, and this project's side of it.

A case is a task and a student's depth. Its folder holds all that the sides share: the same rows as
token ids, the same teacher, the same weights of the student at step 0, the same settings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from real_rows import RealRows, real_rows

from alpkd_pipeline.models.encoder import load_finetuned, load_tokenizer, save_classifier
from alpkd_pipeline.models.student import build_student
from alpkd_pipeline.run_settings import StudentSettings
from alpkd_pipeline.store.manifest import read_json, write_json
from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded, write_encoded
from alpkd_pipeline.training.batching import collate, epoch_batches
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.student import record_signals, train_student

DEV_ROWS = 32
"""A training ends with an evaluation, whose seconds are taken off: the fewer rows, the shorter."""

SHARED = (
    "epochs",
    "batch_size",
    "lr",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "threads",
)
"""What the rivals are told of the block `training` of conf/minilm."""


@dataclass(frozen=True, slots=True)
class Case:
    """A task and the student's layers."""

    task: str
    layers: int

    @property
    def name(self) -> str:
        """`rte-3`, in commands, records and tables."""
        return f"{self.task}-{self.layers}"

    @classmethod
    def parse(cls, text: str) -> Case:
        """From its name."""
        task, _, layers = text.partition("-")
        return cls(task, int(layers))


class Ours:
    """This project's side: the functions that a run calls, with the settings of conf/minilm.

    Attributes:
        precision: what `auto` became; known after the first epoch with it.
    """

    def __init__(self, case: Case, folder: Path, rows: int, threads: int) -> None:
        """Prepare the case and record the teacher's signals.

        Args:
            case: the case.
            folder: an empty folder. What the rivals read is written there too: `student/`,
                `rows.npz` and `settings.json`, beside `teacher/`.
            rows: how many of the first train rows are used.
            threads: of every side.
        """
        self._case, self._folder = case, folder
        self._rows = real_rows(folder, case.task, rows, threads)
        self._number = count()
        self.precision = ""
        dev = read_encoded(folder / "encoded", "dev")
        write_encoded(folder / "encoded", "dev", _first(dev, DEV_ROWS))
        _share(self._rows, case.layers)
        record_signals(self._run("auto"), folder / "signals")

    @property
    def settings(self) -> dict[str, Any]:
        """What a run of ours is given, for the record."""
        params = self._run("auto").params
        return {name: params[name] for name in ("student", "method", "training", "signals")}

    def epoch(self, precision: str) -> Callable[[], float]:
        """One epoch of alp_kd from the cache; its seconds without the evaluation at its end."""

        def train() -> float:
            run = self._run(precision)
            train_student(run)
            metrics = read_json(run.folder / "metrics.json")
            if precision == "auto":
                self.precision = metrics["environment"]["precision"]
            return float(metrics["seconds"] - metrics["evaluation_seconds"])

        return train

    def build_cache(self) -> float:
        """Seconds of the teacher's pass over train and the few dev rows, its loading included."""
        run = self._run("auto")
        record_signals(run, run.folder)
        return float(read_json(run.folder / "signals.json")["seconds"])

    def _run(self, precision: str) -> RunConfig:
        params = self._rows.params
        teacher = params["teacher"]
        return self._rows.run(
            f"run-{next(self._number)}",
            "student",
            teacher={**teacher, "training": {**teacher["training"], "device": "cpu"}},
            student={**params["student"], "layers": self._case.layers},
            method=self._rows.methods["alp_kd"],
            training={**params["training"], "device": "cpu", "precision": precision},
        )


def _first(split: EncodedSplit, rows: int) -> EncodedSplit:
    """The first rows of a split, in memory of their own: the file is about to be replaced."""
    tokens = split.offsets[min(rows, len(split))]
    types = split.token_type_ids
    return replace(
        split,
        offsets=split.offsets[: rows + 1].copy(),
        input_ids=split.input_ids[:tokens].copy(),
        token_type_ids=None if types is None else types[:tokens].copy(),
        labels=split.labels[:rows].copy(),
        idx=split.idx[:rows].copy(),
    )


def _share(rows: RealRows, layers: int) -> None:
    """Write what the rivals read: the student at step 0, the rows, the settings."""
    folder, params = rows.folder, rows.params
    asked, seed = StudentSettings(**{**params["student"], "layers": layers}), params["seed"]
    tokenizer = load_tokenizer(folder / "teacher")
    student = build_student(load_finetuned(folder / "teacher"), asked, seed)
    (folder / "student").mkdir()
    save_classifier(student, tokenizer, folder / "student")
    limit = params["task"]["max_length"]
    train = read_encoded(folder / "encoded", "train")
    batches = epoch_batches(
        train.lengths, np.arange(len(train)), params["training"]["batch_size"], seed, 0
    )
    np.savez(
        folder / "rows.npz",
        **_padded(train, limit, int(tokenizer.pad_token_id)),
        lengths=train.lengths,
        batched_rows=np.concatenate(batches),
        batch_sizes=np.array([len(batch) for batch in batches]),
    )
    settings = {name: params["training"][name] for name in SHARED}
    write_json(folder / "settings.json", {**settings, "seed": seed})


def _padded(train: EncodedSplit, limit: int, pad_id: int) -> dict[str, Any]:
    """Inputs (N, limit) and labels (N,) of every row."""
    batch = collate(train, np.arange(len(train)), pad_id)
    room = ((0, 0), (0, limit - int(train.lengths.max())))
    fills = {"input_ids": pad_id}
    return {
        "labels": batch.labels.numpy(),
        **{
            name: np.pad(values.numpy(), room, constant_values=fills.get(name, 0))
            for name, values in batch.inputs.items()
        },
    }
