"""One update of the weights: from some batches of rows to the optimiser's step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from alpkd_pipeline.distillation.signals import LossTerms
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.encode import EncodedSplit
from alpkd_pipeline.training.batching import Batch
from alpkd_pipeline.training.checkpoint import remember_draws
from alpkd_pipeline.training.diagnostics import waiting, weighted_gradients
from alpkd_pipeline.training.distill import Learner
from alpkd_pipeline.training.memory import MicrobatchSize, attempt
from alpkd_pipeline.training.optim import set_lr
from alpkd_pipeline.training.progress import TERMS, Progress

BatchLosses = list[tuple[LossTerms, list[Batch]]]
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
        losses = self._fitting(group, progress)
        for terms, batches in losses:
            progress.add(terms, batches)
        norm = torch.nn.utils.clip_grad_norm_(self.learner.parameters, self.max_grad_norm)
        where = f"step {progress.steps + 1} (epoch {epoch + 1})"
        ids = self.train.idx[np.concatenate(group)]
        _require_finite([terms.total for terms, _ in losses], norm, where, ids)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm

    def _fitting(self, group: list[np.ndarray], progress: Progress) -> BatchLosses:
        """The gradients, with as many rows at a time as fit."""
        put_back = remember_draws(self.learner.loaded.accelerator.device)
        while True:
            losses, fault = attempt(self._gradients, group, progress)
            if fault is None:
                assert losses is not None
                return losses
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

    def _gradients(self, group: list[np.ndarray], progress: Progress) -> BatchLosses:
        losses: BatchLosses = []
        size, known = sum(map(len, group)), self.labelled
        rate = 1.0 if known is None else float(known[np.concatenate(group)].mean())
        for members in group:
            parts: list[tuple[LossTerms, Batch]] = []
            for part in self.limit.parts(members):
                with waiting(*progress.throughputs):
                    batch = self.learner.loaded.batch(self.train, part)
                terms = self.learner.step(batch)
                if known is not None and rate:
                    beta = self.learner.term_weights["hard"]
                    terms = weigh_hard(terms, float(known[part].mean()) / rate, beta)
                if progress.steps == 0 and not losses and not parts:
                    weights, model = self.learner.term_weights, self.learner.loaded.model
                    progress.gradients = weighted_gradients(terms, weights, model.parameters())
                # By rows, so that those of a smaller last batch weigh no more than others.
                torch.autograd.backward(terms.total * (len(part) / size))
                parts.append((terms, batch))
            losses.append((mean_terms(parts), [batch for _, batch in parts]))
        return losses


def weigh_hard(terms: LossTerms, share: float, beta: float) -> LossTerms:
    """The losses of a part, so that their mean by rows has the hard term's mean by labelled rows.

    `share`: the fraction of the part's rows with a label over that of the update's; 1 for an update
    of one batch that went through the model as a whole.
    """
    hard = terms.hard * share
    return replace(terms, hard=hard, total=terms.total + beta * (hard - terms.hard))


def mean_terms(parts: Sequence[tuple[LossTerms, Batch]]) -> LossTerms:
    """The losses of a batch from those of its parts, weighted by their rows, without a graph."""
    size = sum(len(batch.rows) for _, batch in parts)
    shares = [len(batch.rows) / size for _, batch in parts]

    def mean(values: list[Tensor]) -> Tensor:
        if len(values) == 1:
            return values[0].detach()
        weighed = [value.detach() * share for value, share in zip(values, shares, strict=True)]
        return torch.stack(weighed).sum(dim=0)

    first = parts[0][0]
    known = [name for name in TERMS if getattr(first, name) is not None]
    found = {name: mean([getattr(terms, name) for terms, _ in parts]) for name in known}
    watch = {name: mean([terms.watch[name] for terms, _ in parts]) for name in first.watch}
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
