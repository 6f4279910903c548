"""Checks of token-level signals. Only shapes and types: values would make the device wait."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.errors import UserError

TokenSignal = Literal["states", "scores", "qkv"]

Shape = tuple[int | None, ...]
"""Sizes that are expected; None for any."""

SHAPES: dict[TokenSignal, str] = {
    "states": "(examples, layers, tokens, width)",
    "scores": "(examples, layers, heads, tokens, tokens)",
    "qkv": "(examples, layers, 3, tokens, width)",
}


def token_mask(method: str, student: Signal) -> Tensor:
    """The student's mask as (B, S) bool.

    Raises:
        UserError: there is none, or it is not for these examples.
    """
    mask, examples = student.mask, student.logits.shape[0]
    if mask is None or mask.ndim != 2 or mask.shape[0] != examples:
        found = "none" if mask is None else f"shape {tuple(mask.shape)}"
        raise UserError(
            f"method {method!r} reads single tokens of {examples} examples and needs their mask"
            f" (found: {found}): pass student=Signal(..., mask=attention_mask)"
        )
    return mask.bool()


def token_pair(
    method: str,
    name: TokenSignal,
    student: Signal,
    teacher: Signal | None,
    expected: tuple[Shape, Shape],
) -> tuple[Tensor, Tensor]:
    """One token-level signal of both sides, the teacher's cut off from its gradients.

    Args:
        method: the method's name, for messages.
        name: which signal.
        student: the student's signal.
        teacher: the teacher's signal.
        expected: its shape on the student's side and on the teacher's.

    Raises:
        UserError: it is missing or has another shape.
    """
    ours = _checked(method, name, "student", student, expected[0])
    # What may be anything on the student's side is the same on the teacher's.
    known = zip(expected[1], ours.shape, strict=True)
    shape = tuple(size if want is None else want for want, size in known)
    theirs = _checked(method, name, "teacher", teacher, shape)
    return ours, theirs.detach()


def _checked(
    method: str, name: TokenSignal, side: str, signal: Signal | None, shape: Shape
) -> Tensor:
    found: Tensor | None = None if signal is None else getattr(signal, name)
    if found is None:
        raise UserError(
            f"method {method!r} reads the {side}'s {name}: pass"
            f" {side}=Signal(logits=..., {name}=...)"
        )
    fits = len(shape) == found.ndim and all(
        want in (None, size) for want, size in zip(shape, found.shape, strict=True)
    )
    if not fits:
        words = tuple("any" if want is None else want for want in shape)
        raise UserError(
            f"{side} {name} have shape {tuple(found.shape)}, method {method!r} expects {words},"
            f" that is {SHAPES[name]}: pass the layers of method.{side}_tokens, in its order"
        )
    return found
