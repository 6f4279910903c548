"""Checks of what a method is given. Only shapes and types: values would make the device wait."""

from __future__ import annotations

from dataclasses import dataclass

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
