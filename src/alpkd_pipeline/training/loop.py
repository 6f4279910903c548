"""The training loop: one function for teachers and students, which differ in their step."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

from alpkd_pipeline.store.journal import Journal
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import collate, epoch_batches
from alpkd_pipeline.training.checkpoint import Saver, read_tensors, write_tensors
from alpkd_pipeline.training.devices import Accelerator
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.memory import RowLimit
from alpkd_pipeline.training.optim import make_adamw
from alpkd_pipeline.training.pace import Usage
from alpkd_pipeline.training.progress import FitResult, Judge, Progress
from alpkd_pipeline.training.run_config import Settings
from alpkd_pipeline.training.update import Update, require_finite_weights

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
    settings: Settings,
    *,
    train: EncodedSplit,
    rows: np.ndarray,
    pad_id: int,
    seed: int,
    accelerator: Accelerator,
    limit: RowLimit,
    journal: Journal,
    title: str,
    score_name: str,
    saver: Saver | None = None,
    go_on: tuple[Path, dict[str, Any]] | None = None,
) -> FitResult:
    """Train, evaluate at each epoch's end (or every n steps), keep the best weights.

    Args:
        learner: what is trained, on the accelerator's device.
        judge: scores the model, and keeps it with each evaluation that beats all before it.
        settings: the numbers.
        train: the encoded train split.
        rows: which of its rows to train on.
        pad_id: the tokenizer's padding id.
        seed: fixes the order of the batches.
        accelerator: device and precision.
        limit: how many rows go through the model at once, where memory is short.
        journal: where every logged step and evaluation goes.
        title: shown beside the progress bar.
        score_name: what the selecting rows are called, `dev` or `holdout`.
        saver: publishes checkpoints; without it there are none.
        go_on: a checkpoint's folder and facts, where a training goes on.

    Raises:
        DivergedError: at the first step whose loss or gradient is not finite, or before weights
            that are not finite would be kept.
        UserError: the device's memory is too short for a single row.
    """
    model, parameters = learner.model, learner.parameters
    usage = Usage(accelerator.device)
    run = Progress(settings, len(rows), learner.term_weights, journal, usage, score_name)
    optimiser = make_adamw(parameters, settings.lr, settings.weight_decay)
    update = Update(
        learner=learner,
        batch_of=lambda members: collate(train, members, pad_id).to(accelerator.device),
        optimiser=optimiser,
        max_grad_norm=settings.max_grad_norm,
        device=accelerator.device,
        limit=limit,
    )
    if go_on is not None:
        run.restore(go_on[1], read_tensors(go_on[0], model, parameters, optimiser))

    def write(folder: Path) -> None:
        require_finite_weights(parameters, run.steps)
        write_tensors(folder, model, parameters, optimiser, run.sums())

    def pause(epoch: int, place: int, *, due: bool) -> None:
        if saver is not None and (stop.asked or due):
            saver.save(run.steps, run.facts(epoch, place), write)
        if stop.asked:
            stop.stop()

    model.train()
    with run.bar(title), Stopping() as stop:
        for epoch in range(run.counts.begin_at[0], settings.epochs):
            if learner.begin_epoch is not None:
                learner.begin_epoch(epoch)
            batches = epoch_batches(train.lengths, rows, settings.batch_size, seed, epoch)
            size = settings.accumulation
            groups = [batches[i : i + size] for i in range(0, len(batches), size)]
            for place in range(run.first_place(epoch), len(groups)):
                if run.out_of_patience:
                    break
                group = groups[place]
                norm = update(group, run, epoch, train.idx[np.concatenate(group)])
                run.log_step(norm, epoch)
                if run.evaluation_due:
                    run.consider(judge, epoch)
                ends = place + 1 == len(groups)
                due = saver is not None and saver.due(run.steps, epoch_ends=ends)
                pause(epoch, place + 1, due=due)
            if settings.eval_every == "epoch" or epoch == settings.epochs - 1:
                run.consider(judge, epoch)
                pause(epoch, len(groups), due=False)
            log.info("%s: %s", title, run.end_epoch(epoch))
            if run.out_of_patience:
                break
        run.log_rest()
    return run.result(epoch + 1)
