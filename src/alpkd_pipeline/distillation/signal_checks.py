"""Checks of what a method is given. Only shapes and types: values would make the device wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from alpkd_pipeline.distillation.signals import Signal
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import TaskKind


@dataclass(frozen=True, slots=True)
class Sizes:
    """Depths and widths of the two models: m and D_S of the student, n and D_T of the teacher.

    The numbers of attention heads are None where nobody said them.
    """

    teacher_layers: int
    student_layers: int
    teacher_width: int
    student_width: int
    teacher_heads: int | None = None
    student_heads: int | None = None


def check_outputs(logits: Tensor, labels: Tensor, task: TaskKind) -> None:
    """Refuse student outputs and labels that do not fit together.

    Args:
        logits: should be (B, C), B at least 1; C = 1 for a regression.
        labels: should be (B,), int64 for classes.
        task: `classification` or `regression`.

    Raises:
        UserError: a shape or type is wrong. (B,) against (B, 1) would broadcast to (B, B) silently.
    """
    if logits.ndim != 2 or logits.shape[0] == 0:
        raise UserError(
            f"student logits have shape {_shape(logits)}: pass (examples, classes), with at least"
            " one example"
        )
    if labels.shape != logits.shape[:1]:
        raise UserError(
            f"labels have shape {_shape(labels)} for {logits.shape[0]} examples: pass one label"
            f" per example, shape ({logits.shape[0]},)"
        )
    if task == "regression" and logits.shape[1] != 1:
        raise UserError(
            f"a regression has one output, the student has {logits.shape[1]}: build the student"
            " with one label, or pass task='classification'"
        )
    if task == "classification" and (labels.is_floating_point() or labels.is_complex()):
        raise UserError(
            f"labels are {labels.dtype} but the task is a classification: pass int64 class ids,"
            " or task='regression'"
        )


def teacher_logits(method: str, teacher: Signal | None, student_logits: Tensor) -> Tensor:
    """The teacher's logits, cut off from its gradients.

    Args:
        method: the method's name, for messages.
        teacher: the teacher's signal.
        student_logits: (B, C), which the teacher's must match in shape.

    Returns:
        (B, C).

    Raises:
        UserError: there is no teacher, or its logits have another shape.
    """
    if teacher is None:
        raise UserError(f"method {method!r} learns from a teacher: pass teacher=Signal(...)")
    if teacher.logits.shape != student_logits.shape:
        raise UserError(
            f"teacher logits have shape {_shape(teacher.logits)}, student logits"
            f" {_shape(student_logits)}: both must be for the same examples and the same classes"
        )
    return teacher.logits.detach()


def layer_signals(
    method: str, teacher: Signal | None, student: Signal, sizes: Sizes
) -> tuple[Tensor, Tensor]:
    """The pooled layers of student and teacher, the latter cut off from its gradients.

    Args:
        method: the method's name, for messages.
        teacher: the teacher's signal.
        student: the student's signal.
        sizes: the depths and widths that the method was built for.

    Returns:
        (B, m, D_S) and (B, n, D_T).

    Raises:
        UserError: layers are missing, or have another shape than the method was built for.
    """
    examples = student.logits.shape[0]
    ours = _checked_layers(
        method, "student", student, (examples, sizes.student_layers, sizes.student_width)
    )
    theirs = _checked_layers(
        method, "teacher", teacher, (examples, sizes.teacher_layers, sizes.teacher_width)
    )
    return ours, theirs.detach()


def _checked_layers(
    method: str, side: str, signal: Signal | None, expected: tuple[int, int, int]
) -> Tensor:
    if signal is None or signal.layers is None:
        raise UserError(
            f"method {method!r} reads the {side}'s layers: pass"
            f" {side}=Signal(logits=..., layers=...)"
        )
    if signal.layers.shape != expected:
        raise UserError(
            f"{side} layers have shape {_shape(signal.layers)}, method {method!r} was built for"
            f" {expected}, that is (examples, layers, width): leave the embedding output out,"
            " or build the method with these sizes"
        )
    return signal.layers


def _shape(tensor: Tensor) -> tuple[int, ...]:
    return tuple(tensor.shape)


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
