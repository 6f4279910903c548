"""The training loop: one function for teachers and students, which differ in their step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from tqdm import tqdm

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.runs.journal import Journal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import Batch, collate, epoch_batches, steps_per_epoch
from alpkd_pipeline.training.optim import decay_left, lr_factor, make_adamw, set_lr, warmup_steps
from alpkd_pipeline.training.pace import Pace, waiting
from alpkd_pipeline.training.step import Step
from alpkd_pipeline.training.usage import Usage

log = logging.getLogger(__name__)

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
        """The value of the deciding metric; larger is better for every metric of this project."""
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


KeepBest = Callable[[Evaluation, float], None]


class DivergedError(UserError):
    """The training left the finite numbers: its loss or gradient is NaN or infinite."""


def fit(
    *,
    model: nn.Module,
    parameters: list[nn.Parameter],
    step: Step,
    train: EncodedSplit,
    rows: np.ndarray,
    pad_id: int,
    evaluate: Callable[[], Evaluation],
    keep_best: KeepBest,
    settings: FitSettings,
    term_weights: dict[str, float],
    seed: int,
    accelerator: Accelerator,
    journal: Journal,
    title: str,
    score_name: str,
    begin_epoch: Callable[[int], None] | None = None,
) -> FitResult:
    """Train, evaluate at each epoch's end (or every n steps), keep the best weights.

    Args:
        model: the model in training, on the accelerator's device.
        parameters: everything the optimiser trains: the model's and the method's.
        step: turns a batch into its losses.
        train: the encoded train split.
        rows: which of its rows to train on.
        pad_id: the tokenizer's padding id.
        evaluate: scores the model as it is now.
        keep_best: called with each evaluation that beats all before it, and with what weight decay
            has left so far of a weight without gradient.
        settings: the numbers.
        term_weights: the weight of each loss term, for the weighted values in the journal.
        seed: fixes the order of the batches.
        accelerator: device and precision.
        journal: where every logged step and evaluation goes.
        title: shown beside the progress bar.
        score_name: what the selecting rows are called, `dev` or `holdout`.
        begin_epoch: called with the number of each epoch, from 0, before its first step.

    Raises:
        DivergedError: at the first step whose loss or gradient is not finite.
    """
    run = _Fit(settings, len(rows), term_weights, journal, Usage(accelerator.device), score_name)
    optimiser = make_adamw(parameters, settings.lr, settings.weight_decay)
    bar = tqdm(total=run.total_steps, desc=title, unit="step", disable=None, leave=False)
    model.train()
    with bar:
        for epoch in range(settings.epochs):
            if begin_epoch is not None:
                begin_epoch(epoch)
            batches = epoch_batches(train.lengths, rows, settings.batch_size, seed, epoch)
            for group in _groups(batches, settings.accumulation):
                set_lr(optimiser, run.lr)
                totals, size = [], sum(map(len, group))
                for members in group:
                    with waiting(*run.paces):
                        batch = collate(train, members, pad_id).to(accelerator.device)
                    terms = step(batch)
                    # By rows, so that those of a smaller last batch weigh no more than others.
                    accelerator.backward(terms.total * (len(members) / size))
                    run.add(terms, batch)
                    totals.append(terms.total.detach())
                norm = torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
                where = f"step {run.steps + 1} (epoch {epoch + 1})"
                _require_finite(totals, norm, where, train.idx[np.concatenate(group)])
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                run.log_step(norm, epoch, bar)
                if run.evaluation_due:
                    run.consider(evaluate, keep_best, epoch, bar)
                if run.out_of_patience:
                    break
            if settings.eval_every == "epoch" or epoch == settings.epochs - 1:
                run.consider(evaluate, keep_best, epoch, bar)
            run.end_epoch(epoch)
            log.info("%s: %s", title, run.summary(epoch))
            if run.out_of_patience:
                break
        run.log_rest(bar)
    return run.result(epoch + 1)


class _Fit:
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
        patience = self._settings.patience
        return patience is not None and self._without_gain >= patience

    def add(self, terms: LossTerms, batch: Batch) -> None:
        """Add a batch to the running sums, on its device: reading them would stall a GPU."""
        for name in TERMS:
            value = getattr(terms, name)
            if value is not None:
                self._sums[name] = self._sums.get(name, 0) + value.detach()
        for name, value in terms.watch.items():
            self._watched[name] = self._watched.get(name, 0) + value.detach()
        self._examples += len(batch.rows)
        self._batches += 1
        for pace in self.paces:
            pace.add(batch)

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
        better = self._best is None or found.deciding > self._best.deciding
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
            keep_best(found, self._decay_left())
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
        scores = self._last.scores if self._last else {}
        shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
        seconds = time.perf_counter() - self._started
        count = f"epoch {epoch + 1}/{self._settings.epochs}"
        return f"{count}, {self._score_name} {shown}, {seconds:.0f} s"

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
            seconds=round(time.perf_counter() - self._started, 3),
            evaluation_seconds=round(self._evaluation_seconds, 3),
        )


def _groups(batches: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    for start in range(0, len(batches), size):
        yield batches[start : start + size]


def _require_finite(totals: list[Tensor], norm: Tensor, where: str, ids: np.ndarray) -> None:
    """Stop before the weights are spoilt."""
    # One transfer for both: reading them one by one would make a GPU wait twice.
    loss, gradient = torch.stack([torch.stack(totals).sum().float(), norm.float()]).tolist()
    if math.isfinite(loss) and math.isfinite(gradient):
        return
    what = f"gradient became {gradient}" if math.isfinite(loss) else f"loss became {loss}"
    raise DivergedError(
        f"the {what} at {where}, in the batch with the example ids"
        f" {', '.join(map(str, ids[:8].tolist()))}{', ...' if len(ids) > 8 else ''}:"
        " lower the learning rate, or look at these rows"
    )
