"""A published model, answered by onnxruntime. This file lies in its folder too, and works alone.

It needs numpy, tokenizers and onnxruntime. Gate, benchmark and service all answer through it, one
text at a time: the scale of dynamic int8 activations is that of a whole batch, so that in a batch
an answer would depend on its neighbours. Without neighbours nothing is padded either.

    from runtime import Published
    Published("folder")(["a text", "another"])
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

SETTINGS = "export.json"

HALF = re.compile("[\ud800-\udfff]")
"""Half of a character, which no text holds that can be written down."""

Row = tuple[str, ...]
"""One text, or two."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model says of one text, or pair of texts."""

    label: str  # the class; `value` for a regression
    score: float  # the probability of that class; the number itself for a regression
    probabilities: dict[str, float]  # of each class; empty for a regression
    truncated: bool  # whether the text was longer than the model reads, and lost its end


class Published:
    """The model of a folder.

    Raises:
        ValueError: a file is not what was published, or a text is no text.
    """

    def __init__(
        self, folder: str | Path, form: str | None = None, *, threads: int = 1, check: bool = True
    ) -> None:
        """Load a form, `fp32` or `int8`; by default the one that the folder says.

        `check`: whether the files are compared with their hashes first.
        """
        folder = Path(folder)
        self.settings = read_settings(folder, check=check)
        self.form = form or self.settings["serve"]
        if self.form not in self.settings["forms"]:
            there = ", ".join(self.settings["forms"])
            raise ValueError(f"{folder} holds no form '{self.form}' (there are: {there})")
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.settings["max_length"], strategy="longest_first")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self._session = onnxruntime.InferenceSession(
            str(folder / self.settings["forms"][self.form]),
            options,
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Answer]:
        """The answers to some texts, or pairs of texts, in their order."""
        found = (self.encode(*row) for row in self.rows(texts, pairs))
        return [self.answer(self.run(feed), cut) for feed, cut in found]

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """What the model computes for N texts, (N, C) float32, before temperature and threshold."""
        found = [self.run(self.encode(*row)[0]) for row in self.rows(texts, pairs)]
        return np.array(found, dtype=np.float32).reshape(len(found), -1)

    def encode(self, text: str, pair: str | None = None) -> tuple[dict[str, np.ndarray], bool]:
        """What the model is fed, each (1, tokens) int64, and whether the text was cut."""
        found = self._tokenizer.encode(text, pair)
        have = {
            "input_ids": found.ids,
            "attention_mask": found.attention_mask,
            "token_type_ids": found.type_ids,
        }
        feed = {name: np.array([have[name]], np.int64) for name in self.settings["inputs"]}
        return feed, bool(found.overflowing)

    def run(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        """The logits (C,) of one encoded text."""
        found: np.ndarray = self._session.run(None, feed)[0][0]
        return found

    def answer(self, logits: np.ndarray, truncated: bool = False) -> Answer:
        """What logits (C,) mean: calibrated probabilities in float64, and the class they answer."""
        if self.settings["kind"] == "regression":
            return Answer("value", float(logits[0]), {}, truncated)
        scaled = logits.astype(np.float64) / self.settings["temperature"]
        exps = np.exp(scaled - scaled.max())
        chances = dict(zip(self.settings["labels"], (exps / exps.sum()).tolist(), strict=True))
        threshold = self.settings["threshold"]
        label = max(chances, key=lambda name: chances[name])
        if threshold is not None:
            first, second = chances
            label = second if chances[second] >= threshold else first
        return Answer(label, chances[label], chances, truncated)

    def rows(
        self, texts: Sequence[str], pairs: Sequence[str] | None
    ) -> list[tuple[str, str | None]]:
        """Texts, or pairs of texts, row by row, as `encode` takes them."""
        columns = self.settings["text_columns"]
        if isinstance(texts, str) or isinstance(pairs, str):
            raise ValueError("give a list of texts, also for a single one")
        if (pairs is not None) != (len(columns) == 2):
            raise ValueError(f"the model reads {' and '.join(columns)}, nothing else")
        rows = list(zip(texts, [None] * len(texts) if pairs is None else pairs, strict=True))
        for text in (one for row in rows for one in row[: len(columns)]):
            if not isinstance(text, str) or HALF.search(text):
                raise ValueError(f"a text is needed, not {text!a:.40}")
        return rows


def read_settings(folder: Path, *, check: bool = True) -> dict[str, Any]:
    """The settings of a folder.

    Raises:
        ValueError: they, or a file that they name and that is there, are not what was published.
    """
    path = folder / SETTINGS
    settings: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if check:
        if settings.get("digest") != digest_of(settings):
            raise ValueError(f"{path} was changed after it was published")
        for name, digest in settings["files"].items():
            # Without the weights and the other forms it answers too; what it lacks it will miss.
            place = folder / name
            if place.is_file() and hashlib.sha256(place.read_bytes()).hexdigest() != digest:
                raise ValueError(f"{place} is not what was published: export it again")
    return settings


def digest_of(settings: dict[str, Any]) -> str:
    """The sha256 of settings but for their own digest."""
    rest = {name: value for name, value in settings.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
