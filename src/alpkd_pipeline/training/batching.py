"""Which rows form a batch, and how rows become padded tensors.

The order is a pure function of (seed, epoch): nothing of it has to be saved to resume a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from alpkd_pipeline.tasks.encode import EncodedSplit, read_encoded
from alpkd_pipeline.tasks.labels import is_hidden
from alpkd_pipeline.training.run_config import RunConfig

MEGA_BATCH = 16
"""Batches that are sorted by length together: little padding, and still a random order."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of B examples, padded to the longest of them."""

    rows: Tensor  # (B,) int64, positions in the split
    # each (B, T): input_ids, token_type_ids if the tokenizer makes them, attention_mask if any row
    # is padded
    inputs: dict[str, Tensor]
    labels: Tensor  # (B,), int64 classes or float32 targets; without one -1, of a regression NaN
    tokens: int  # how many of the B x T positions hold a token; the others are padding

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device; `rows` stay where they are."""
        if device.type == "cpu":
            return self
        move = {name: value.to(device, non_blocking=True) for name, value in self.inputs.items()}
        labels = self.labels.to(device, non_blocking=True)
        return replace(self, inputs=move, labels=labels)


def epoch_batches(
    lengths: np.ndarray,
    rows: np.ndarray,
    batch_size: int,
    seed: int,
    epoch: int,
    by_length: bool = True,
) -> list[np.ndarray]:
    """The batches of one epoch: shuffled rows, `by_length` those of a mega-batch sorted before.

    Each of the `rows` (R,) occurs exactly once; the last batch may hold fewer than `batch_size`.
    `lengths` (N,) are the tokens of each row of the split; the first epoch is 0.
    """
    draw = np.random.Generator(np.random.PCG64([seed, epoch]))
    order = draw.permutation(rows)
    batches = []
    size = batch_size * (MEGA_BATCH if by_length else 1)
    for start in range(0, len(order), size):
        mega = order[start : start + size]
        mega = mega[np.argsort(lengths[mega], kind="stable")]
        batches += [mega[i : i + batch_size] for i in range(0, len(mega), batch_size)]
    return [batches[i] for i in draw.permutation(len(batches))]


def steps_per_epoch(rows: int, batch_size: int, accumulation: int) -> int:
    """Optimiser steps in an epoch of `rows` examples."""
    return math.ceil(math.ceil(rows / batch_size) / accumulation)


def sorted_batches(lengths: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Every row once, longest first: a batch that does not fit into memory shows at once."""
    order = np.argsort(-lengths, kind="stable")
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]


def collate(split: EncodedSplit, rows: np.ndarray, pad_id: int) -> Batch:
    """Gather rows of an encoded split and pad them on the right to the longest one."""
    lengths = split.lengths[rows]
    width = int(lengths.max())
    filled = np.arange(width) < lengths[:, None]
    ids, types = split.tokens(rows)
    inputs = {"input_ids": _pad(ids, filled, pad_id)}
    if not filled.all():
        inputs["attention_mask"] = torch.from_numpy(filled.astype(np.int64))
    if types is not None:
        inputs["token_type_ids"] = _pad(types, filled, 0)
    labels = torch.from_numpy(np.array(split.labels[rows]))
    if labels.is_floating_point():
        labels = labels.float()
    positions = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.int64))
    return Batch(positions, inputs, labels, int(lengths.sum()))


def _pad(values: np.ndarray, filled: np.ndarray, fill: int) -> Tensor:
    table = np.full(filled.shape, fill, dtype=np.int64)
    table[filled] = values
    return torch.from_numpy(table)


@dataclass(frozen=True, slots=True)
class Selection:
    """The rows that train, and the split and rows that select."""

    train: EncodedSplit
    train_rows: np.ndarray  # its rows to train on
    split: str  # the name of the validation split: `dev`, or `train` for a holdout
    validation: EncodedSplit
    rows: np.ndarray  # its rows that select
    name: str  # what the scores are called: `dev` or `holdout`
    # (N,) bool, the train split's rows with a label; None where all that train have one
    labelled: np.ndarray | None = None
    left_out: int = 0  # rows without a label that do not train

    @property
    def labelled_rows(self) -> np.ndarray:
        """Those of the rows that train which have a label."""
        rows = self.train_rows
        return rows if self.labelled is None else rows[self.labelled[rows]]

    @property
    def without_label(self) -> int:
        """How many of the rows that train have no label."""
        return len(self.train_rows) - len(self.labelled_rows)

    def class_weights(self, kind: str, classes: int) -> Tensor | None:
        """The weight (C,) of each class, `none` or `balanced`: n / (C n_c), over labelled rows.

        Their mean over the n rows is 1, as in scikit-learn; a class without a row counts as one.
        """
        if kind == "none":
            return None
        counts = np.bincount(self.train.labels[self.labelled_rows], minlength=classes)
        return torch.from_numpy(counts.sum() / (classes * counts.clip(1))).float()


def choose_rows(run: RunConfig, unlabelled: bool = False) -> Selection:
    """Select on dev, as the papers do, or on a part cut from train, which keeps dev untouched.

    A `holdout` takes a fraction of train that the seed fixes; classes are stratified, a regression
    is not. Rows `unlabelled` never select, and train if they are wanted.
    """
    task, asked, encoded = run.task, run.training, run.inputs["encoded"]
    train = read_encoded(encoded, "train")
    known = ~is_hidden(train.labels, task)
    mixed = None if known.all() or not unlabelled else known
    left_out = 0 if unlabelled else int((~known).sum())
    everything = np.arange(len(train)) if unlabelled else np.flatnonzero(known)
    if asked.selection == "dev":
        split = task.dev_splits[0]
        dev = read_encoded(encoded, split)
        rows = np.arange(len(dev))
        return Selection(train, everything, split, dev, rows, "dev", mixed, left_out)
    draw = np.random.Generator(np.random.PCG64([run.seed, 0x401D]))
    strata = train.labels if task.kind == "classification" else np.zeros(len(train), dtype=np.int64)
    classes = [np.flatnonzero(known & (strata == label)) for label in np.unique(strata[known])]
    share = asked.holdout_fraction
    held = [draw.permutation(rows)[: max(1, round(share * len(rows)))] for rows in classes]
    rows = np.sort(np.concatenate(held))
    rest = np.setdiff1d(everything, rows)
    return Selection(train, rest, "train", train, rows, "holdout", mixed, left_out)
