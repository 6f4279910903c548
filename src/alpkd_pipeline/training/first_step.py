"""How much each term of a loss weighs where the training begins, by the norm of its gradient.

Losses do not tell: a term of 5 may pull less than one of 0.1. A method of which one term weighs
next to nothing is another method than its name says.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from alpkd_pipeline.distillation.method_table import WEIGHTS
from alpkd_pipeline.distillation.signals import LossTerms

log = logging.getLogger(__name__)

NOTHING = 0.01
"""A term whose gradient is smaller than this share of another one's is said to weigh nothing."""


def weighted_gradients(
    terms: LossTerms, weights: Mapping[str, float], parameters: Iterable[nn.Parameter]
) -> dict[str, float]:
    """|| weight * d term / d parameters ||_2 of every term with a weight; none of a single term.

    The graph stays as it is, and so do the gradients that the parameters hold: the step that
    follows has the same numbers as without this look.
    """
    trained = [weight for weight in parameters if weight.requires_grad]
    found = {name: getattr(terms, name) for name, weight in weights.items() if weight > 0}
    found = {name: term for name, term in found.items() if term is not None}
    if len(found) < 2:
        return {}
    return {name: weights[name] * _norm(term, trained) for name, term in found.items()}


def _norm(term: Tensor, parameters: list[nn.Parameter]) -> float:
    if not term.requires_grad:  # a term without pairs of layers is a constant
        return 0.0
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    squares = [gradient.float().square().sum() for gradient in found if gradient is not None]
    return float(torch.stack(squares).sum().sqrt()) if squares else 0.0


def say_gradients(title: str, norms: Mapping[str, float]) -> None:
    """Log the norms of a training, and warn of each term that weighs nothing beside the largest."""
    told = ", ".join(f"{name} {norm:.3g}" for name, norm in norms.items())
    log.info("%s: weighted gradients at the first step: %s", title, told)
    largest = max(norms, key=lambda name: norms[name])
    names: dict[str, str] = {term: weight for weight, term in WEIGHTS.items()}
    for name, norm in norms.items():
        if norm < NOTHING * norms[largest]:
            log.warning(
                f"{title}: the {name} term weighs nothing at the first step: its gradient of"
                f" {norm:.2g} is under 1 % of the {largest} term's {norms[largest]:.2g}; with a"
                f" larger method.{names[name]} it would have a say"
            )
