"""Which settings a search may choose, and which of them a method has."""

from __future__ import annotations

from alpkd_pipeline.distillation.method_row import MethodRow
from alpkd_pipeline.distillation.method_table import METHODS, WEIGHTS
from alpkd_pipeline.errors import UserError, did_you_mean
from alpkd_pipeline.params import NO_EFFECT, TrainingParams

FIXED = ("selection", "holdout_fraction")
"""Training settings that say how trials are judged; a search must not choose its own judge."""


def settable() -> list[str]:
    """Every dotted name that a search or a tuned preset may set."""
    training = set(TrainingParams.model_fields) - set(FIXED) - NO_EFFECT
    method = {*WEIGHTS, "temperature", "pooling", "projection"}
    method |= {option for row in METHODS.values() for option in row.options}
    return sorted([f"training.{n}" for n in training] + [f"method.{n}" for n in method])


def check_settable(name: str, place: str) -> None:
    """Refuse a name that cannot be chosen.

    Args:
        name: a dotted name.
        place: where it stands, for the message.

    Raises:
        UserError: names it, the place and what is close.
    """
    known = settable()
    if name in known:
        return
    raise UserError(
        f"{place}: '{name}' cannot be tuned{did_you_mean(name, known, '; {}')} (training.* and"
        " method.* can, but for what decides how trials are judged or has no effect on a result)"
    )


def has_setting(row: MethodRow, name: str, *, regression: bool = False) -> bool:
    """Whether a setting has an effect on what a method does.

    Args:
        row: the method.
        name: a dotted name of `settable()`.
        regression: on such a task the soft term compares the outputs as they are, without T.
    """
    block, _, tail = name.partition(".")
    if block != "method":
        return True
    if tail in WEIGHTS:
        return WEIGHTS[tail] in row.terms
    if tail == "temperature":
        return "soft" in row.terms and not regression
    if tail == "pooling":
        return "layers" in row.needs
    return row.compares_layers if tail == "projection" else tail in row.options
