"""The training loop: one function for teachers and students, which differ in their step.

What is made of their losses is here too: an update of the weights, from some batches of rows.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.store.event_log import EventLog, read_event_log
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import Batch, Selection, epoch_batches
from alpkd_pipeline.training.checkpoint import Saver, read_tensors, remember_draws, write_tensors
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.first_step import weighted_gradients
from alpkd_pipeline.training.memory import MicrobatchSize, attempt, logged_limit
from alpkd_pipeline.training.optim import make_adamw, set_lr
from alpkd_pipeline.training.progress import TERMS, FitResult, Judge, Progress
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.throughput import waiting

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 12.0
"""Seconds that a step may take to end; then the process stops where it is. A sweep waits longer."""


class Stopping:
    """A context that remembers a signal until the training has saved; a second stops at once."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._alarm: Any = None

    @property
    def asked(self) -> bool:
        """Whether the training is to stop."""
        return self._asked is not None

    def __enter__(self) -> Stopping:
        # Only a process's main thread may take over signals; elsewhere nothing changes.
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                # A shell's background job ignores Ctrl-C, and goes on doing so.
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._alarm)
            self._alarm = None

    def stop(self, *_: object) -> None:
        """Do what the process would have done when the signal came: in most cases, raise."""
        assert self._asked is not None
        number, handler = self._asked, self._before[self._asked]
        self.__exit__()
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(signal.Signals(number))

    def _remember(self, number: int, _frame: FrameType | None) -> None:
        if self._asked is not None:
            self.stop()
            return
        self._asked = number
        if hasattr(signal, "setitimer"):  # not on Windows
            self._alarm = signal.signal(signal.SIGALRM, self.stop)
            signal.setitimer(signal.ITIMER_REAL, GRACE)


def fit(
    learner: Learner,
    judge: Judge,
    run: RunConfig,
    chosen: Selection,
    *,
    event_log: EventLog,
    go_on: tuple[Path, dict[str, Any]] | None = None,
) -> FitResult:
    """Train, evaluate at each epoch's end (or every n steps), keep the best weights.

    Args:
        learner: what is trained.
        judge: scores the model, and keeps it with each evaluation that beats all before it.
        run: its numbers, its seed, and the folder that gets the checkpoints.
        chosen: the rows.
        event log: that of the folder, where every logged step and evaluation goes.
        go_on: a checkpoint's folder and facts, where a training goes on.

    Raises:
        DivergedError: at the first step whose loss or gradient is not finite, or before weights
            that are not finite would be kept.
        UserError: the device's memory is too short for a single row.
    """
    settings, train = run.training, chosen.train
    model, parameters = learner.loaded.model, learner.parameters
    progress = Progress(settings, learner, chosen, event_log)
    optimiser = make_adamw(parameters, settings.lr, settings.weight_decay, learner.rates)
    before = read_event_log(run.folder)[0]
    limit = logged_limit(settings.batch_size, "training", event_log, before)
    norm = settings.max_grad_norm
    update = Update(learner, train, optimiser, norm, limit, chosen.labelled)
    saver = Saver(run.folder, settings.checkpoint_every, event_log)
    if go_on is not None:
        progress.restore(go_on[1], read_tensors(go_on[0], model, parameters, optimiser))

    def write(folder: Path) -> None:
        require_finite_weights(parameters, progress.steps)
        write_tensors(folder, model, parameters, optimiser, progress.sums())

    def pause(epoch: int, place: int, *, due: bool) -> None:
        if stop.asked or due:
            saver.save(progress.steps, progress.facts(epoch, place), write)
        if stop.asked:
            stop.stop()

    model.train()
    with progress.bar(run.name), Stopping() as stop:
        for epoch in range(progress.counts.begin_at[0], settings.epochs):
            learner.begin_epoch(epoch)
            batches = epoch_batches(
                train.lengths,
                chosen.train_rows,
                settings.batch_size,
                run.seed,
                epoch,
                settings.group_by_length,
            )
            size = settings.accumulation
            groups = [batches[i : i + size] for i in range(0, len(batches), size)]
            for place in range(progress.first_place(epoch), len(groups)):
                if progress.out_of_patience:
                    break
                progress.log_step(update(groups[place], progress, epoch), epoch)
                if progress.evaluation_due:
                    progress.consider(judge, epoch)
                ends = place + 1 == len(groups)
                pause(epoch, place + 1, due=saver.due(progress.steps, epoch_ends=ends))
            if settings.eval_every == "epoch" or epoch == settings.epochs - 1:
                progress.consider(judge, epoch)
                pause(epoch, len(groups), due=False)
            log.info("%s: %s", run.name, progress.end_epoch(epoch))
            if progress.out_of_patience:
                break
        progress.log_rest()
    return progress.result(epoch + 1)


Heard = list[tuple[LossTerms, list[Batch]]]
"""For each batch of an update its losses, and the parts in which it went through the model."""


class DivergedError(UserError):
    """The training left the finite numbers: a loss, gradient or weight is NaN or infinite."""


@dataclass(frozen=True, slots=True)
class Update:
    """Turns groups of batches of the train split into changed weights."""

    learner: Learner
    train: EncodedSplit
    optimiser: torch.optim.Optimizer
    max_grad_norm: float
    limit: MicrobatchSize
    labelled: np.ndarray | None = None  # (N,) bool of the train split; None: all of its rows are

    def __call__(self, group: list[np.ndarray], progress: Progress, epoch: int) -> Tensor:
        """Make one step with the rows of some batches; the gradient's norm before it was clipped.

        Raises:
            DivergedError: the loss or the gradient is not finite; the weights are as before.
            UserError: not even a single row fits into the device's memory.
        """
        set_lr(self.optimiser, progress.lr)
        self.learner.begin_step(progress.steps, progress.total_steps)
        heard = self._fitting(group, progress)
        for terms, batches in heard:
            progress.add(terms, batches)
        norm = torch.nn.utils.clip_grad_norm_(self.learner.parameters, self.max_grad_norm)
        where = f"step {progress.steps + 1} (epoch {epoch + 1})"
        ids = self.train.idx[np.concatenate(group)]
        _require_finite([terms.total for terms, _ in heard], norm, where, ids)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm

    def _fitting(self, group: list[np.ndarray], progress: Progress) -> Heard:
        """The gradients, with as many rows at a time as fit."""
        put_back = remember_draws(self.learner.loaded.accelerator.device)
        while True:
            heard, fault = attempt(self._gradients, group, progress)
            if fault is None:
                assert heard is not None
                return heard
            if self.learner.whole_batches:
                raise UserError(
                    f"out of memory ({fault.splitlines()[0]}), and the method compares the rows of"
                    " a batch with one another, so that it cannot go through in parts: lower"
                    " training.batch_size or task.max_length, or take another device"
                )
            # As if the half-done step had never begun.
            self.optimiser.zero_grad(set_to_none=True)
            put_back()
            tried = min(self.limit.rows, max(map(len, group)))
            self.limit.halve(tried, fault, step=progress.steps + 1)

    def _gradients(self, group: list[np.ndarray], progress: Progress) -> Heard:
        heard: Heard = []
        size = sum(map(len, group))
        known = self.labelled
        rate = 1.0 if known is None else float(known[np.concatenate(group)].mean())
        for members in group:
            said: list[tuple[LossTerms, Batch]] = []
            for part in self.limit.parts(members):
                with waiting(*progress.paces):
                    batch = self.learner.loaded.batch(self.train, part)
                terms = self.learner.step(batch)
                if known is not None and rate:
                    beta = self.learner.term_weights["hard"]
                    terms = weigh_hard(terms, float(known[part].mean()) / rate, beta)
                if progress.steps == 0 and not heard and not said:
                    weights, model = self.learner.term_weights, self.learner.loaded.model
                    progress.gradients = weighted_gradients(terms, weights, model.parameters())
                # By rows, so that those of a smaller last batch weigh no more than others.
                torch.autograd.backward(terms.total * (len(part) / size))
                said.append((terms, batch))
            heard.append((mean_terms(said), [batch for _, batch in said]))
        return heard


def weigh_hard(terms: LossTerms, share: float, beta: float) -> LossTerms:
    """The losses of a part, so that their mean by rows has the hard term's mean by labelled rows.

    `share`: how many of the part's rows have a label over how many of the update's have one, both
    as fractions. It is 1 for an update of one batch that went through the model as a whole.
    """
    hard = terms.hard * share
    return replace(terms, hard=hard, total=terms.total + beta * (hard - terms.hard))


def mean_terms(said: Sequence[tuple[LossTerms, Batch]]) -> LossTerms:
    """The losses of a batch from those of its parts, weighted by their rows, without a graph."""
    size = sum(len(batch.rows) for _, batch in said)
    shares = [len(batch.rows) / size for _, batch in said]

    def mean(values: list[Tensor]) -> Tensor:
        if len(values) == 1:
            return values[0].detach()
        weighed = [value.detach() * share for value, share in zip(values, shares, strict=True)]
        return torch.stack(weighed).sum(dim=0)

    first = said[0][0]
    known = [name for name in TERMS if getattr(first, name) is not None]
    found = {name: mean([getattr(terms, name) for terms, _ in said]) for name in known}
    watch = {name: mean([terms.watch[name] for terms, _ in said]) for name in first.watch}
    return replace(first, weights=None, watch=watch, **found)


def require_finite_weights(parameters: Iterable[nn.Parameter], step: int) -> None:
    """Refuse to keep weights of which one is NaN or infinite: nothing good can come of them."""
    if not torch.stack([weight.detach().isfinite().all() for weight in parameters]).all():
        raise DivergedError(
            f"a weight was no longer finite after step {step}: lower the learning rate; the"
            " checkpoint before is kept"
        )


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
        " lower the learning rate, or look at these rows; the same command again comes to the same"
        " step"
    )
