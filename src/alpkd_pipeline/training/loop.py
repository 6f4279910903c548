"""The training loop: one function for teachers and students, which differ in their step."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from alpkd_pipeline.store.journal import Journal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import collate, epoch_batches
from alpkd_pipeline.training.checkpoint import Saver, read_tensors, write_tensors
from alpkd_pipeline.training.devices import Accelerator
from alpkd_pipeline.training.distill import Step
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.optim import make_adamw
from alpkd_pipeline.training.pace import Usage
from alpkd_pipeline.training.progress import Evaluation, FitResult, FitSettings, KeepBest, Progress
from alpkd_pipeline.training.update import Update, require_finite_weights

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 12.0
"""Seconds that a step may take to end; then the process stops where it is. A sweep waits longer."""


class Stopping:
    """Remembers a signal until the training has saved; a second one stops at once."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._alarm: Any = None

    @property
    def asked(self) -> bool:
        """Whether the training is to stop."""
        return self._asked is not None

    def install(self) -> None:
        """Take over the signals; only a process's main thread may, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in SIGNALS:
            # A shell's background job ignores Ctrl-C, and goes on doing so.
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._before[number] = signal.signal(number, self._remember)

    def remove(self) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
        if self._alarm is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, self._alarm)
            self._alarm = None

    def stop(self) -> None:
        """Do what the process would have done when the signal came: in most cases, raise."""
        assert self._asked is not None
        number, handlers = self._asked, dict(self._before)
        self.remove()
        handler = handlers[number]
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
            self._alarm = signal.signal(signal.SIGALRM, self._too_long)
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    def _too_long(self, _number: int, _frame: FrameType | None) -> None:
        self.stop()


@contextmanager
def stopping() -> Iterator[Stopping]:
    """A context in which signals wait for `Stopping.asked` to be looked at."""
    found = Stopping()
    found.install()
    try:
        yield found
    finally:
        found.remove()


log = logging.getLogger(__name__)


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
    limit: RowLimit,
    journal: Journal,
    title: str,
    score_name: str,
    begin_epoch: Callable[[int], None] | None = None,
    saver: Saver | None = None,
    go_on: tuple[Path, dict[str, Any]] | None = None,
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
        keep_best: called with each evaluation that beats all before it.
        settings: the numbers.
        term_weights: the weight of each loss term, for the weighted values in the journal.
        seed: fixes the order of the batches.
        accelerator: device and precision.
        limit: how many rows go through the model at once, where memory is short.
        journal: where every logged step and evaluation goes.
        title: shown beside the progress bar.
        score_name: what the selecting rows are called, `dev` or `holdout`.
        begin_epoch: called with the number of each epoch, from 0, before its first step.
        saver: publishes checkpoints; without it there are none.
        go_on: a checkpoint's folder and facts, where a training goes on.

    Raises:
        DivergedError: at the first step whose loss or gradient is not finite, or before weights
            that are not finite would be kept.
        UserError: the device's memory is too short for a single row.
    """
    run = Progress(
        settings, len(rows), term_weights, journal, Usage(accelerator.device), score_name
    )
    optimiser = make_adamw(parameters, settings.lr, settings.weight_decay)
    update = Update(
        step=step,
        batch_of=lambda members: collate(train, members, pad_id).to(accelerator.device),
        parameters=parameters,
        optimiser=optimiser,
        max_grad_norm=settings.max_grad_norm,
        device=accelerator.device,
        limit=limit,
    )
    if go_on is not None:
        run.restore(go_on[1], read_tensors(go_on[0], model, parameters, optimiser))
    bar = tqdm(
        total=run.total_steps,
        initial=run.steps,
        desc=title,
        unit="step",
        disable=None,
        leave=False,
    )

    def write(folder: Path) -> None:
        require_finite_weights(parameters, run.steps)
        write_tensors(folder, model, parameters, optimiser, run.sums())

    def pause(epoch: int, place: int, *, due: bool) -> None:
        if saver is not None and (stop.asked or due):
            saver.save(run.steps, run.facts(epoch, place), write)
        if stop.asked:
            stop.stop()

    model.train()
    with bar, stopping() as stop:
        for epoch in range(run.begin_at[0], settings.epochs):
            if begin_epoch is not None:
                begin_epoch(epoch)
            batches = epoch_batches(train.lengths, rows, settings.batch_size, seed, epoch)
            groups = list(_groups(batches, settings.accumulation))
            for place in range(run.first_place(epoch), len(groups)):
                if run.out_of_patience:
                    break
                group = groups[place]
                norm = update(group, run, epoch, train.idx[np.concatenate(group)])
                run.log_step(norm, epoch, bar)
                if run.evaluation_due:
                    run.consider(evaluate, keep_best, epoch, bar)
                ends = place + 1 == len(groups)
                due = saver is not None and saver.due(run.steps, epoch_ends=ends)
                pause(epoch, place + 1, due=due)
            if settings.eval_every == "epoch" or epoch == settings.epochs - 1:
                run.consider(evaluate, keep_best, epoch, bar)
                pause(epoch, len(groups), due=False)
            run.end_epoch(epoch)
            log.info("%s: %s", title, run.summary(epoch))
            if run.out_of_patience:
                break
        run.log_rest(bar)
    return run.result(epoch + 1)


def _groups(batches: list[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    for start in range(0, len(batches), size):
        yield batches[start : start + size]
