"""Where a training is, what it has seen and said, and the best model it has found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor
from tqdm import tqdm

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.store.journal import Journal
from alpkd_pipeline.tasks.metrics import sign
from alpkd_pipeline.training.batching import Batch, steps_per_epoch
from alpkd_pipeline.training.optim import decay_left, lr_factor, warmup_steps
from alpkd_pipeline.training.pace import Pace, Usage

TERMS = ("hard", "soft", "intermediate", "total")


@dataclass(frozen=True, slots=True)
class FitSettings:
    """The numbers of one training; see the parameter block `training` for their meaning."""

    epochs: int
    batch_size: int
    lr: float
    warmup_ratio: float
    weight_decay: float
    max_grad_norm: float
    accumulation: int = 1
    eval_every: int | str = "epoch"
    patience: int | None = None
    log_every: int = 10


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores on the split that selects the best checkpoint; the first score decides."""

    scores: dict[str, float]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def deciding(self) -> float:
        """The value of the deciding metric."""
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


KeepBest = Callable[[Evaluation, int, float], None]
"""Keeps the model as it is now: what it scores, its step, and what weight decay has left so far of
a weight without gradient."""


class Progress:
    """The bookkeeping of one call of `fit`: counters, running sums, the best so far."""

    def __init__(
        self,
        settings: FitSettings,
        rows: int,
        term_weights: dict[str, float],
        journal: Journal,
        usage: Usage,
        score_name: str,
    ) -> None:
        per_epoch = steps_per_epoch(rows, settings.batch_size, settings.accumulation)
        self.total_steps = settings.epochs * per_epoch
        self.warmup = warmup_steps(self.total_steps, settings.warmup_ratio)
        self.steps = 0
        self._settings = settings
        self._term_weights = term_weights
        self._journal = journal
        self._usage = usage
        self._score_name = score_name
        self._examples = 0
        self._started = time.perf_counter()
        self._since_line, self._this_epoch = Pace(), Pace()
        self._evaluation_seconds = 0.0
        self._sums: dict[str, Tensor] = {}
        self._watched: dict[str, Tensor] = {}
        self._unlogged: tuple[Tensor, float, float] | None = None
        self._batches = 0
        self._best: Evaluation | None = None
        self._best_at = (0, 0)
        self._last: Evaluation | None = None
        self._evaluated_at = -1
        self._without_gain = 0
        self._seconds_before = 0.0
        self.begin_at = (0, 0)

    @property
    def paces(self) -> tuple[Pace, Pace]:
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
        return patience is not None and self._without_gain >= patience

    def add(self, terms: LossTerms, parts: Iterable[Batch]) -> None:
        """Add a batch to the running sums, on its device: reading them would stall a GPU.

        Args:
            terms: what it said.
            parts: the batch, or the parts in which it went through the model.
        """
        for name in TERMS:
            value = getattr(terms, name)
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value
        for name, value in terms.watch.items():
            self._watched[name] = self._watched.get(name, 0) + value
        self._batches += 1
        for part in parts:
            self._examples += len(part.rows)
            for pace in self.paces:
                pace.add(part)

    def log_step(self, norm: Tensor, epoch: int, bar: tqdm[Any]) -> None:
        """Count a step; write the mean losses since the last line where one is due."""
        lr = self.lr
        self.steps += 1
        bar.update()
        self._unlogged = (norm, lr, epoch + self._share_of_epoch())
        if self.steps % self._settings.log_every == 0 or self.steps in {1, self.total_steps}:
            self.log_rest(bar)

    def log_rest(self, bar: tqdm[Any]) -> None:
        """Write the steps since the last line, if there are any: patience may end between two."""
        if self._unlogged is None:
            return
        norm, lr, epoch = self._unlogged
        raw = self._means(self._sums)
        weighted = {n: raw[n] * w for n, w in self._term_weights.items() if n in raw}
        watched = {"watch": self._means(self._watched)} if self._watched else {}
        self._journal.write(
            "step",
            step=self.steps,
            epoch=round(epoch, 4),
            loss=raw,
            weighted=weighted,
            **watched,
            lr=lr,
            grad_norm=float(norm),
            **self._since_line.speed(),
            **self._usage.sample(),
        )
        bar.set_postfix_str(self._postfix(raw["total"]))
        self._sums, self._watched, self._batches = {}, {}, 0
        self._since_line, self._unlogged = Pace(), None

    def _means(self, sums: dict[str, Tensor]) -> dict[str, float]:
        return {name: float(s) / self._batches for name, s in sums.items()}

    def _share_of_epoch(self) -> float:
        per_epoch = self.total_steps // self._settings.epochs
        return ((self.steps - 1) % per_epoch + 1) / per_epoch

    def _postfix(self, loss: float) -> str:
        score = f", {self._score_name} {self._last.deciding:.4f}" if self._last else ""
        return f"loss {loss:.4f}{score}"

    def consider(
        self,
        evaluate: Callable[[], Evaluation],
        keep_best: KeepBest,
        epoch: int,
        bar: tqdm[Any],
    ) -> None:
        """Evaluate, write it down, and keep the weights if they are the best so far."""
        if self._evaluated_at == self.steps:
            return
        started = time.perf_counter()
        found = evaluate()
        self._evaluated_at, self._last = self.steps, found
        turn = sign(next(iter(found.scores)))
        better = self._best is None or turn * found.deciding > turn * self._best.deciding
        self._journal.write(
            "eval",
            step=self.steps,
            epoch=epoch + 1,
            scores=found.scores,
            best=better,
            **found.details,
        )
        if better:
            self._best, self._best_at, self._without_gain = found, (self.steps, epoch + 1), 0
            keep_best(found, self.steps, self._decay_left())
        else:
            self._without_gain += 1
        spent = time.perf_counter() - started
        self._evaluation_seconds += spent
        for pace in self.paces:
            pace.skip(spent)
        bar.set_postfix_str(f"{self._score_name} {found.deciding:.4f}")

    def _decay_left(self) -> float:
        asked = self._settings
        return decay_left(self.steps, self.total_steps, self.warmup, asked.lr, asked.weight_decay)

    def end_epoch(self, epoch: int) -> None:
        """Write down how the epoch went, and begin to count the next one."""
        self._journal.write(
            "epoch", step=self.steps, epoch=epoch + 1, **self._this_epoch.of_epoch()
        )
        self._this_epoch = Pace()

    def summary(self, epoch: int) -> str:
        """One line about the epoch that just ended."""
        parts = [f"epoch {epoch + 1}/{self._settings.epochs}"]
        if self._last is not None:
            scores = (f"{name} {value:.4f}" for name, value in self._last.scores.items())
            parts.append(f"{self._score_name} {', '.join(scores)}")
        return ", ".join([*parts, f"{self._seconds:.0f} s"])

    @property
    def _seconds(self) -> float:
        """Of the whole training, those before an interruption included."""
        return self._seconds_before + time.perf_counter() - self._started

    def facts(self, epoch: int, place: int) -> dict[str, Any]:
        """What a checkpoint says of the progress beside its tensors, JSON-ready.

        Args:
            epoch: of the group of batches to come, from 0.
            place: its place in that epoch; the number of all groups where the epoch is through.
        """
        return {
            "begin_at": [epoch, place],
            "steps": self.steps,
            "examples": self._examples,
            "batches": self._batches,
            "best": None if self._best is None else asdict(self._best),
            "best_step": None if self._best is None else self._best_at[0],
            "best_at": list(self._best_at),
            "last": None if self._last is None else asdict(self._last),
            "evaluated_at": self._evaluated_at,
            "without_gain": self._without_gain,
            "evaluation_seconds": self._evaluation_seconds,
            "seconds": self._seconds,
            "unlogged": None if self._unlogged is None else list(self._unlogged[1:]),
            "this_epoch": self._this_epoch.counts(),
        }

    def sums(self) -> dict[str, Tensor]:
        """The running sums since the last line of the journal, and the last step's gradient."""
        found = {f"loss.{name}": value for name, value in self._sums.items()}
        found |= {f"watch.{name}": value for name, value in self._watched.items()}
        return found if self._unlogged is None else {**found, "norm": self._unlogged[0]}

    def restore(self, facts: Mapping[str, Any], sums: Mapping[str, Tensor]) -> None:
        """Go on from `facts` and `sums` of a checkpoint."""
        epoch, place = facts["begin_at"]
        self.begin_at = (int(epoch), int(place))
        self.steps, self._examples = facts["steps"], facts["examples"]
        self._batches = facts["batches"]
        best, last = facts["best"], facts["last"]
        self._best = None if best is None else Evaluation(**best)
        self._last = None if last is None else Evaluation(**last)
        self._best_at = (int(facts["best_at"][0]), int(facts["best_at"][1]))
        self._evaluated_at, self._without_gain = facts["evaluated_at"], facts["without_gain"]
        self._evaluation_seconds = facts["evaluation_seconds"]
        self._seconds_before = facts["seconds"]
        self._this_epoch = Pace.of(facts["this_epoch"])
        self._sums = _with_prefix(sums, "loss.")
        self._watched = _with_prefix(sums, "watch.")
        if facts["unlogged"] is not None:
            self._unlogged = (sums["norm"], *facts["unlogged"])

    def first_place(self, epoch: int) -> int:
        """The place of the first group of an epoch that is still to be trained on."""
        return self.begin_at[1] if epoch == self.begin_at[0] else 0

    def result(self, epochs: int) -> FitResult:
        """The outcome; there is a best evaluation, since the last epoch always evaluates."""
        assert self._best is not None
        return FitResult(
            best=self._best,
            best_step=self._best_at[0],
            best_epoch=self._best_at[1],
            steps=self.steps,
            epochs=epochs,
            examples=self._examples,
            seconds=round(self._seconds, 3),
            evaluation_seconds=round(self._evaluation_seconds, 3),
        )


def _with_prefix(sums: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): v for n, v in sums.items() if n.startswith(prefix)}
