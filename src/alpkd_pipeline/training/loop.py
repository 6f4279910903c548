"""The training loop: one function for teachers and students, which differ in their step."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from alpkd_pipeline.store.event_log import EventLog, read_event_log
from alpkd_pipeline.training.batching import Selection, epoch_batches
from alpkd_pipeline.training.checkpoint import Saver, read_tensors, write_tensors
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.memory import logged_limit
from alpkd_pipeline.training.optim import make_adamw
from alpkd_pipeline.training.progress import FitResult, Judge, Progress
from alpkd_pipeline.training.run_config import RunConfig
from alpkd_pipeline.training.update import Update, require_finite_weights

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)

GRACE = 12.0
"""Seconds that a step may take to end; then the process stops where it is. A sweep waits longer."""


class StopRequest:
    """A context that remembers a signal until the training has saved; a second stops at once."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}
        self._asked: int | None = None
        self._alarm: Any = None

    @property
    def requested(self) -> bool:
        """Whether the training is to stop."""
        return self._asked is not None

    def __enter__(self) -> StopRequest:
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

    `run` has the numbers, the seed and the folder that gets the checkpoints; `go_on` is a
    checkpoint's folder and facts, where a training goes on.

    Raises:
        DivergedError: at the first step whose loss or gradient is not finite, or before weights
            that are not finite would be kept.
        UserError: the device's memory is too short for a single row.
    """
    settings, train, rows = run.training, chosen.train, chosen.train_rows
    model, parameters = learner.loaded.model, learner.parameters
    progress = Progress(settings, learner, chosen, event_log)
    optimiser = make_adamw(parameters, settings.lr, settings.weight_decay, learner.rates)
    begun = read_event_log(run.folder)[0]
    limit = logged_limit(settings.batch_size, "training", event_log, begun)
    update = Update(learner, train, optimiser, settings.max_grad_norm, limit, chosen.labelled)
    saver = Saver(run.folder, settings.checkpoint_every, event_log)
    if go_on is not None:
        progress.restore(go_on[1], read_tensors(go_on[0], model, parameters, optimiser))

    def write(folder: Path) -> None:
        require_finite_weights(parameters, progress.steps)
        write_tensors(folder, model, parameters, optimiser, progress.sums())

    def pause(epoch: int, group: int, *, due: bool) -> None:
        if stop.requested or due:
            saver.save(progress.steps, progress.snapshot(epoch, group), write)
        if stop.requested:
            stop.stop()

    model.train()
    with progress.bar(run.name), StopRequest() as stop:
        for epoch in range(progress.counts.begin_at[0], settings.epochs):
            learner.begin_epoch(epoch)
            batches = epoch_batches(
                train.lengths, rows, settings.batch_size, run.seed, epoch, settings.group_by_length
            )
            size = settings.accumulation
            groups = [batches[i : i + size] for i in range(0, len(batches), size)]
            for group in range(progress.first_group(epoch), len(groups)):
                if progress.out_of_patience:
                    break
                progress.log_step(update(groups[group], progress, epoch), epoch)
                if progress.evaluation_due:
                    progress.consider(judge, epoch)
                ends = group + 1 == len(groups)
                pause(epoch, group + 1, due=saver.due(progress.steps, epoch_ends=ends))
            if settings.eval_every == "epoch" or epoch == settings.epochs - 1:
                progress.consider(judge, epoch)
                pause(epoch, len(groups), due=False)
            log.info("%s: %s", run.name, progress.end_epoch(epoch))
            if progress.out_of_patience:
                break
        progress.log_rest()
    return progress.result(epoch + 1)
