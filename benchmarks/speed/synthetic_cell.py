"""An experiment of made-up rows and random weights, for machines without data, checkpoints and
Kedro.

Rows have the lengths of MNLI's sentence pairs: log-normal, 40 tokens on average, at most 128. The
tokens are drawn evenly from the whole vocabulary, so nearly all of it trains, which is the hardest
case. The teacher exists only as the signals that it would have left in the cache. What models and
signals say means nothing; shapes, dtypes and the work done are a training's.

A student trains through `fit` with `distill_step`, the seen rows of its embedding and the random
state of a run. Only evaluation and saving do nothing. Needs torch, transformers, safetensors,
psutil and `src` on PYTHONPATH.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import BertConfig, BertForSequenceClassification

from alpkd_pipeline.distillation.cache import CachedSignals, write_signals
from alpkd_pipeline.distillation.registry import build_method
from alpkd_pipeline.models.encoder import fresh_model
from alpkd_pipeline.models.seen_rows import keep_seen_rows, seen_tokens
from alpkd_pipeline.models.shape import family_of
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.tasks.task import Task
from alpkd_pipeline.training.batching import Selection, epoch_batches
from alpkd_pipeline.training.devices import Accelerator, LoadedModel
from alpkd_pipeline.training.distill import Learner, distill_step
from alpkd_pipeline.training.loop import fit
from alpkd_pipeline.training.predict import BatchOutput
from alpkd_pipeline.training.progress import Evaluation
from alpkd_pipeline.training.run import seed_everything
from alpkd_pipeline.training.run_config import RunConfig

SEED = 0
LABELS = 3
PAD_ID = 0
FIRST_WORD = 1000
"""BERT's vocabulary begins with places for special tokens."""

MEAN_TOKENS, SPREAD, SHORTEST, LONGEST = 40, 0.45, 6, 128
"""Of a row: the mean before the cut, the standard deviation of the logarithm, the limits."""

AT_ONCE = 4096
COMPILING = ("none", "model", "layers")
"""What torch.compile is asked to do: nothing, the model's forward as a whole, or each layer's."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of an encoder; `teacher_layers` of the one that students are cut from."""

    width: int
    heads: int
    inner: int
    teacher_layers: int
    vocabulary: int

    def config(self, layers: int) -> BertConfig:
        """A BERT of this size."""
        return BertConfig(
            vocab_size=self.vocabulary,
            hidden_size=self.width,
            num_hidden_layers=layers,
            num_attention_heads=self.heads,
            intermediate_size=self.inner,
            num_labels=LABELS,  # type: ignore[call-arg]
            pad_token_id=PAD_ID,
        )


BERT_BASE = Sizes(width=768, heads=12, inner=3072, teacher_layers=12, vocabulary=30_522)
TINY = Sizes(width=64, heads=4, inner=128, teacher_layers=4, vocabulary=1_500)


class Span(NamedTuple):
    """When the timed steps began and ended, in seconds of `time.perf_counter`."""

    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Between the two."""
        return self.ended - self.began


@dataclass(frozen=True, slots=True)
class Steps:
    """Which steps of a training are timed: `timed` of them after `warm_up`, at least one."""

    warm_up: int
    timed: int

    @property
    def all(self) -> int:
        """Of the whole training."""
        return self.warm_up + self.timed


@dataclass(frozen=True)
class Experiment:
    """Rows, and the folder with the cached signals of a teacher for them."""

    sizes: Sizes
    rows: int
    signals: Path

    @cached_property
    def train(self) -> EncodedSplit:
        """The rows: the same for every process that asks for as many."""
        draw = np.random.default_rng(SEED)
        centre = np.log(MEAN_TOKENS) - SPREAD**2 / 2
        drawn = draw.lognormal(centre, SPREAD, self.rows).round().astype(np.int64)
        offsets = np.concatenate([[0], np.cumsum(np.clip(drawn, SHORTEST, LONGEST))])
        tokens = int(offsets[-1])
        return EncodedSplit(
            offsets=offsets,
            input_ids=draw.integers(FIRST_WORD, self.sizes.vocabulary, tokens, dtype=np.int32),
            token_type_ids=np.zeros(tokens, dtype=np.int8),
            labels=draw.integers(0, LABELS, self.rows),
            idx=np.arange(self.rows),
            max_length=LONGEST,
            cut_rows=int((drawn > LONGEST).sum()),
        )

    def write_signals(self) -> None:
        """Make the cache, in fp16, by the writer of the pipelines."""
        write_signals(self.signals, "train", self.rows, self._outputs(), "fp16")

    def _outputs(self) -> Iterator[BatchOutput]:
        """What a teacher might say, batch by batch."""
        draw = torch.Generator().manual_seed(SEED)
        states = torch.randn(AT_ONCE, self.sizes.teacher_layers, self.sizes.width, generator=draw)
        logits = torch.randn(AT_ONCE, LABELS, generator=draw)
        for start in range(0, self.rows, AT_ONCE):
            rows = np.arange(start, min(start + AT_ONCE, self.rows))
            yield BatchOutput(rows, logits[: len(rows)], states[: len(rows)])

    def some_rows(self, count: int) -> np.ndarray:
        """Rows from all over the split: their signals lie as far apart as in a real training."""
        return np.random.default_rng([SEED, count]).permutation(self.rows)[:count]

    @property
    def facts(self) -> dict[str, Any]:
        """What a record says of the rows."""
        lengths = self.train.lengths
        return {
            "rows": self.rows,
            "tokens_a_row": {
                "mean": float(lengths.mean()),
                "sd": float(lengths.std()),
                "median": float(np.median(lengths)),
                "least": int(lengths.min()),
                "most": int(lengths.max()),
            },
            "tokens_seen": len(seen_tokens((self.train,), PAD_ID)),
            "vocabulary": self.sizes.vocabulary,
            "signal_bytes": sum(path.stat().st_size for path in self.signals.iterdir()),
        }


class NoJudge:
    """Scores nothing and keeps nothing, so that the loop alone is timed."""

    def evaluate(self) -> Evaluation:
        """The same score each time."""
        return Evaluation({"none": 0.0})

    def keep_best(self, *_: object) -> None:
        """Nothing is kept."""


class Student:
    """A student with random weights, ready to be trained by `fit` again and again.

    Args:
        experiment: rows and signals.
        on: device and precision.
        method: `alp_kd`, `no_kd` or another method on the cached signals, with its default weights.
        layers: of the student.
        compiling: one of COMPILING.
    """

    def __init__(
        self,
        experiment: Experiment,
        on: Accelerator,
        method: str,
        layers: int,
        compiling: str = "none",
    ) -> None:
        seed_everything(SEED)  # before any product: cuBLAS looks at it once
        sizes = experiment.sizes
        self.experiment, self._on = experiment, on
        model = fresh_model(BertForSequenceClassification, sizes.config(layers), SEED)
        self.model = model.to(on.device)
        words: Any = SimpleNamespace(pad_token_id=PAD_ID)  # all that a training asks a tokenizer
        self._loaded = LoadedModel(Path(), self.model, words, on)
        self._method = build_method(
            method,
            teacher_layers=sizes.teacher_layers,
            student_layers=layers,
            teacher_width=sizes.width,
            student_width=sizes.width,
            seed=SEED,
        ).to(on.device)
        needs, source = self._method.needs, None
        if needs:
            source = CachedSignals(experiment.signals, "train", on.device, layers="layers" in needs)
        keep_seen_rows(self.model, seen_tokens((experiment.train,), PAD_ID))
        self._step = distill_step(self._loaded, self._method, source, "cls")
        self._compile(compiling)

    def _compile(self, compiling: str) -> None:
        layers = self.model.base_model.get_submodule(family_of("bert").layers_path)
        parts = {"none": [], "model": [self.model], "layers": list(layers)}
        if parts[compiling]:
            # The hooks that gather hidden states come with the first pass; it cannot be compiled.
            some = torch.full((1, 2), PAD_ID, device=self._on.device)
            with torch.no_grad():
                self.model(some, output_hidden_states=True)
        for part in parts[compiling]:
            # Not `part.compile`, which would take the hooks into it. Without `dynamic` each length
            # would be compiled anew.
            part.forward = torch.compile(part.forward, dynamic=True)

    def train(
        self, batch_size: int, steps: Steps, at_start: Callable[[], object] = lambda: None
    ) -> Span:
        """Train for some steps; `at_start` is called when those that count are about to begin."""
        clock = _Clock(self._on.device, steps, at_start)
        rows = self.experiment.some_rows(batch_size * steps.all)
        settings = TrainingSettings(
            epochs=1,
            batch_size=batch_size,
            lr=2e-5,
            warmup_ratio=0.1,
            weight_decay=0.01,
            max_grad_norm=1.0,
            selection="dev",
            checkpoint_every="never",
        )
        params = {"training": asdict(settings), "seed": SEED}
        chosen = Selection(self.experiment.train, rows, "dev", self.experiment.train, rows, "none")
        hook = register_optimizer_step_post_hook(clock)
        try:
            with tempfile.TemporaryDirectory() as folder, EventLog(Path(folder)) as event_log:
                seed_everything(SEED)
                learner = Learner(self._loaded, self._step, self._method.learned)
                task = Task("synthetic", "classification", ("text",), tuple("abc"), ("accuracy",))
                run = RunConfig(Path(folder), "student", "synthetic", task, params, {})
                fit(learner, NoJudge(), run, chosen, event_log=event_log)
        finally:
            hook.remove()
        return Span(clock.began, clock.ended)


class _Clock:
    """Reads the time after the last step of the warm-up and after the last step of all."""

    def __init__(self, device: torch.device, steps: Steps, at_start: Callable[[], object]) -> None:
        self._device, self._steps, self._at_start = device, steps, at_start
        self._done = 0
        self.began = self.ended = float("nan")

    def __call__(self, *_: Any) -> None:
        self._done += 1
        if self._done == self._steps.warm_up:
            wait_for(self._device)
            self._at_start()
            self.began = time.perf_counter()
        elif self._done == self._steps.all:
            wait_for(self._device)
            self.ended = time.perf_counter()


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass(frozen=True, slots=True)
class Work:
    """What the timed steps of a student had to do, counted on tokens or on padded places.

    Attributes:
        tokens: places of the batches.
        flops: floating-point operations of the student's forward and backward pass.
    """

    tokens: int
    flops: float


def work_of(student: Student, batch_size: int, steps: Steps, *, padded: bool) -> Work:
    """Tokens and operations of the timed steps, with or without the padding.

    A multiplication with a matrix of P parameters takes 2 P operations a token forward and 4 P
    backward; a layer of width D takes 2 * 2 D S more for each of the S tokens of a row, for its
    scores and its sums of values, and twice that backward. In all

        6 P_layers * tokens + 6 P_head * rows + 12 L D * (sum of S^2 over the rows)

    P_layers counts the matrices of the L layers, P_head those of pooler and classifier, which see
    one token of a row. Embeddings, norms, dropout, losses and optimiser are not counted.
    """
    experiment, model = student.experiment, student.model
    rows = experiment.some_rows(batch_size * steps.all)
    batches = epoch_batches(experiment.train.lengths, rows, batch_size, SEED, 0)[steps.warm_up :]
    found = [experiment.train.lengths[batch] for batch in batches]
    sizes = np.concatenate([np.full_like(s, s.max()) if padded else s for s in found])
    layers = model.base_model.get_submodule(family_of("bert").layers_path)
    head = [*model.base_model.pooler.parameters(), *model.classifier.parameters()]
    attention = 12 * len(layers) * experiment.sizes.width * int((sizes**2).sum())
    flops = 6 * (_matrices(layers.parameters()) * int(sizes.sum()) + _matrices(head) * len(sizes))
    return Work(tokens=int(sizes.sum()), flops=float(flops + attention))


def _matrices(parameters: Any) -> int:
    return sum(p.numel() for p in parameters if p.ndim > 1)
