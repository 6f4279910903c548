"""Where a training is, what it has seen and said, and the best model it has found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Protocol

from torch import Tensor
from tqdm import tqdm

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.run_settings import TrainingSettings
from alpkd_pipeline.store.event_log import EventLog
from alpkd_pipeline.tasks.metrics import sign
from alpkd_pipeline.training.batching import Batch, Selection, steps_per_epoch
from alpkd_pipeline.training.diagnostics import SystemMetrics, Throughput, say_gradients
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.optim import decay_left, lr_factor, warmup_steps

TERMS = ("hard", "soft", "intermediate", "total")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores on the split that selects the best checkpoint; the first score decides."""

    scores: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def primary(self) -> float:
        """The value of the primary metric."""
        return next(iter(self.scores.values()))


@dataclass(frozen=True, slots=True)
class FitResult:
    """What a training came to; steps and epochs count from 1."""

    best: Evaluation
    best_step: int
    best_epoch: int
    steps: int
    epochs: int
    examples: int
    seconds: float
    evaluation_seconds: float


class Judge(Protocol):
    """Scores the model in training, and keeps it."""

    def evaluate(self) -> Evaluation:
        """The scores of the model as it is now."""

    def keep_best(self, found: Evaluation, step: int, left: float) -> None:
        """Keep the model that was just evaluated, since it beats all before it.

        `left` is what weight decay has left so far of a weight without gradient.
        """


@dataclass(slots=True)
class Counts:
    """What a checkpoint keeps of a training's progress beside its tensors."""

    # the epoch, from 0, and the next group of batches in it; the number of groups if it is through
    begin_at: Sequence[int] = (0, 0)
    steps: int = 0
    examples: int = 0
    batches: int = 0  # those in the running sums
    best: Evaluation | None = None
    best_at: Sequence[int] = (0, 0)  # the step and the epoch, from 1, of the best evaluation
    last: Evaluation | None = None
    evaluated_at: int = -1
    without_gain: int = 0  # evaluations since then
    evaluation_seconds: float = 0.0
    seconds: float = 0.0
    # learning rate and epoch of a last step that the event log does not have yet
    unlogged: Sequence[float] | None = None


class Progress:
    """The bookkeeping of one call of `fit`: counters, running sums, the best so far."""

    _bar: tqdm[Any]
    _title = ""

    def __init__(
        self, settings: TrainingSettings, learner: Learner, chosen: Selection, event_log: EventLog
    ) -> None:
        rows = len(chosen.train_rows)
        self._per_epoch = steps_per_epoch(rows, settings.batch_size, settings.accumulation)
        self.total_steps = settings.epochs * self._per_epoch
        self.warmup = warmup_steps(self.total_steps, settings.warmup_ratio)
        self.counts = Counts()
        self._settings, self._term_weights = settings, learner.term_weights
        self._event_log, self._score_name = event_log, chosen.name
        self._usage = SystemMetrics(learner.loaded.accelerator.device)
        self._started = time.perf_counter()
        self._since_line, self._this_epoch = Throughput(), Throughput()
        self._sums: dict[str, Tensor] = {}
        self._norm: Tensor | None = None
        # of the first step, that of each weighted term; written with the next line
        self.gradients: dict[str, float] = {}

    def bar(self, title: str) -> tqdm[Any]:
        """Begin to show how far it is, beside a title."""
        steps: dict[str, Any] = {"total": self.total_steps, "initial": self.steps, "unit": "step"}
        self._title, self._bar = title, tqdm(**steps, desc=title, disable=None, leave=False)
        return self._bar

    @property
    def steps(self) -> int:
        """Optimiser steps done."""
        return self.counts.steps

    @property
    def throughputs(self) -> tuple[Throughput, Throughput]:
        """What counts the batches: since the last line, and of this epoch."""
        return self._since_line, self._this_epoch

    @property
    def lr(self) -> float:
        """The learning rate of the step to come."""
        return self._settings.lr * lr_factor(self.steps, self.total_steps, self.warmup)

    @property
    def evaluation_due(self) -> bool:
        """Whether this many steps ask for an evaluation."""
        every = self._settings.eval_every
        return every != "epoch" and self.steps % int(every) == 0

    @property
    def out_of_patience(self) -> bool:
        """Whether so many evaluations brought no gain that the training ends."""
        patience = self._settings.patience
        return patience is not None and self.counts.without_gain >= patience

    @property
    def _seconds(self) -> float:
        """Of the whole training, those before an interruption included."""
        return self.counts.seconds + time.perf_counter() - self._started

    def add(self, terms: LossTerms, parts: Iterable[Batch]) -> None:
        """Add a batch, and the parts in which it went through the model, to the running sums."""
        # On the batch's device: reading them would stall a GPU.
        losses = {f"loss.{name}": getattr(terms, name) for name in TERMS}
        watched = {f"watch.{name}": value for name, value in terms.watch.items()}
        for name, value in (losses | watched).items():
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value
        self.counts.batches += 1
        for part in parts:
            self.counts.examples += len(part.rows)
            for throughput in self.throughputs:
                throughput.add(part)

    def log_step(self, norm: Tensor, epoch: int) -> None:
        """Count a step; write the mean losses since the last line where one is due."""
        lr = self.lr
        self.counts.steps += 1
        self._bar.update()
        share = ((self.steps - 1) % self._per_epoch + 1) / self._per_epoch
        self._norm, self.counts.unlogged = norm, (lr, epoch + share)
        if self.steps % self._settings.log_every == 0 or self.steps in {1, self.total_steps}:
            self.log_rest()

    def log_rest(self) -> None:
        """Write the steps since the last line, if there are any: patience may end between two."""
        if self.counts.unlogged is None or self._norm is None:
            return
        lr, epoch = self.counts.unlogged
        raw, watched = self._means("loss."), self._means("watch.")
        self._event_log.write(
            "step",
            step=self.steps,
            epoch=round(epoch, 4),
            loss=raw,
            weighted={n: raw[n] * w for n, w in self._term_weights.items() if n in raw},
            **({"watch": watched} if watched else {}),
            **({"gradients": self.gradients} if self.gradients else {}),
            lr=lr,
            grad_norm=float(self._norm),
            **self._since_line.speed(),
            **self._usage.sample(),
        )
        if self.gradients:
            say_gradients(self._title, self.gradients)
            self.gradients = {}
        last = self.counts.last
        score = f", {self._score_name} {last.primary:.4f}" if last else ""
        self._bar.set_postfix_str(f"loss {raw['total']:.4f}{score}")
        self._sums, self.counts.batches = {}, 0
        self._since_line, self._norm, self.counts.unlogged = Throughput(), None, None

    def _means(self, prefix: str) -> dict[str, float]:
        found = {n.removeprefix(prefix): s for n, s in self._sums.items() if n.startswith(prefix)}
        return {name: float(s) / self.counts.batches for name, s in found.items()}

    def consider(self, judge: Judge, epoch: int) -> None:
        """Evaluate, write it down, and keep the weights if they are the best so far."""
        counts, settings = self.counts, self._settings
        if counts.evaluated_at == self.steps:
            return
        started = time.perf_counter()
        found = judge.evaluate()
        counts.evaluated_at, counts.last = self.steps, found
        turn = sign(next(iter(found.scores)))
        better = counts.best is None or turn * found.primary > turn * counts.best.primary
        at = {"step": self.steps, "epoch": epoch + 1}
        self._event_log.write("eval", **at, scores=found.scores, best=better, **found.details)
        if better:
            counts.best, counts.best_at, counts.without_gain = found, (self.steps, epoch + 1), 0
            decay, rate = settings.weight_decay, settings.lr
            left = decay_left(self.steps, self.total_steps, self.warmup, rate, decay)
            judge.keep_best(found, self.steps, left)
        else:
            counts.without_gain += 1
        spent = time.perf_counter() - started
        counts.evaluation_seconds += spent
        for throughput in self.throughputs:
            throughput.skip(spent)
        self._bar.set_postfix_str(f"{self._score_name} {found.primary:.4f}")

    def end_epoch(self, epoch: int) -> str:
        """Write down how the epoch went, and begin to count the next one; says so in one line."""
        speeds = self._this_epoch.of_epoch()
        self._event_log.write("epoch", step=self.steps, epoch=epoch + 1, **speeds)
        self._this_epoch = Throughput()
        last = self.counts.last
        scores = [f"{name} {value:.4f}" for name, value in last.scores.items()] if last else []
        said = f", {self._score_name} {', '.join(scores)}" if last else ""
        return f"epoch {epoch + 1}/{self._settings.epochs}{said}, {self._seconds:.0f} s"

    def snapshot(self, epoch: int, group: int) -> dict[str, Any]:
        """What a checkpoint says of the progress, JSON-ready; see `Counts.begin_at`."""
        return {
            **asdict(replace(self.counts, begin_at=(epoch, group), seconds=self._seconds)),
            "best_step": self.counts.best_at[0] if self.counts.best else None,
            "this_epoch": self._this_epoch.counts(),
        }

    def sums(self) -> dict[str, Tensor]:
        """The running sums since the last line of the event log, and the last step's gradient."""
        return self._sums if self._norm is None else {**self._sums, "norm": self._norm}

    def restore(self, snapshot: Mapping[str, Any], sums: Mapping[str, Tensor]) -> None:
        """Go on from `snapshot` and `sums` of a checkpoint."""
        counts = Counts(**{f.name: snapshot[f.name] for f in fields(Counts)})
        best, last = snapshot["best"], snapshot["last"]
        counts.best = None if best is None else Evaluation(**best)
        counts.last = None if last is None else Evaluation(**last)
        self.counts, self._this_epoch = counts, Throughput.of(snapshot["this_epoch"])
        self._sums = dict(sums)
        self._norm = self._sums.pop("norm", None)

    def first_group(self, epoch: int) -> int:
        """The place of the first group of an epoch that is still to be trained on."""
        begun, group = self.counts.begin_at
        return group if epoch == begun else 0

    def result(self, epochs: int) -> FitResult:
        """The outcome; there is a best evaluation, since the last epoch always evaluates."""
        counts = self.counts
        assert counts.best is not None
        return FitResult(
            best=counts.best,
            best_step=counts.best_at[0],
            best_epoch=counts.best_at[1],
            steps=counts.steps,
            epochs=epochs,
            examples=counts.examples,
            seconds=round(self._seconds, 3),
            evaluation_seconds=round(counts.evaluation_seconds, 3),
        )
