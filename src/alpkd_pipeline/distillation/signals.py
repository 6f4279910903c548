"""What a model says about a batch, as far as a distillation loss may look at it, and its checks.

Only shapes and types are checked: values would make the device wait.

Shapes: B examples, L layers, D width, C classes (1 for a regression); for methods that look at
single tokens S tokens, K layers that the method asks for, H attention heads, E width of all heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from torch import Tensor

from alpkd_pipeline.distillation.method_spec import Sizes
from alpkd_pipeline.errors import UserError
from alpkd_pipeline.tasks.task import TaskKind


@dataclass(frozen=True, slots=True)
class Signal:
    """The outputs of one model for one batch.

    Attributes:
        logits: (B, C), before any softmax.
        layers: (B, L, D), the pooled output of every layer, first layer first; the embedding
            output is not a layer. None when nobody asked for it.
        states: (B, K, S, D), hidden states of the layers that a method on tokens asks for, in its
            order; layer 0 is the embedding output.
        scores: (B, K, H, S, S), attention scores before the softmax of such layers.
        qkv: (B, K, 3, S, E), queries, keys and values of such layers.
        mask: (B, S), true or 1 at real tokens, 0 at padding; read from the student's side, as both
            models read the same tokens.
    """

    logits: Tensor
    layers: Tensor | None = None
    states: Tensor | None = None
    scores: Tensor | None = None
    qkv: Tensor | None = None
    mask: Tensor | None = None


class SignalSource(Protocol):
    """Where the teacher's signals come from: a live teacher or the cache, losses cannot tell."""

    def signals(self, rows: Tensor, inputs: dict[str, Tensor]) -> Signal:
        """The teacher's signals for the rows (B,) of a split, of which these are the inputs."""
        ...


@dataclass(frozen=True, slots=True)
class LossTerms:
    """The parts of a distillation loss, each a scalar tensor.

    Attributes:
        hard: loss against the labels, before its weight beta.
        soft: loss against the teacher's outputs before its weight eta; None if the method has none.
        intermediate: the method's own term before its weight lambda; None if it has none.
        total: beta * hard + eta * soft + lambda * intermediate, the value to minimise.
        weights: (B, m, n) attention of student layers over teacher layers, zero outside each
            layer's bucket; None for methods without attention.
        watch: scalars worth following beside the losses, by name; they are logged, not minimised.
    """

    hard: Tensor
    soft: Tensor | None
    intermediate: Tensor | None
    total: Tensor
    weights: Tensor | None = None
    watch: Mapping[str, Tensor] = field(default_factory=dict)


def check_outputs(logits: Tensor, labels: Tensor, task: TaskKind) -> None:
    """Refuse student outputs and labels that do not fit together.

    Logits should be (B, C), B at least 1, C = 1 for a regression; labels (B,), int64 for classes.
    (B,) against (B, 1) would broadcast to (B, B) silently.
    """
    if logits.ndim != 2 or logits.shape[0] == 0:
        raise UserError(
            f"student logits have shape {tuple(logits.shape)}: pass (examples, classes), with at"
            " least one example"
        )
    if labels.shape != logits.shape[:1]:
        raise UserError(
            f"labels have shape {tuple(labels.shape)} for {logits.shape[0]} examples: pass one"
            f" label per example, shape ({logits.shape[0]},)"
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
    """The teacher's logits (B, C), cut off from its gradients."""
    if teacher is None:
        raise UserError(f"method {method!r} learns from a teacher: pass teacher=Signal(...)")
    if teacher.logits.shape != student_logits.shape:
        raise UserError(
            f"teacher logits have shape {tuple(teacher.logits.shape)}, student logits"
            f" {tuple(student_logits.shape)}: both must be for the same examples and the same"
            " classes"
        )
    return teacher.logits.detach()


def layer_signals(
    method: str, teacher: Signal | None, student: Signal, sizes: Sizes
) -> tuple[Tensor, Tensor]:
    """The pooled layers of student and teacher, the latter cut off from its gradients.

    Returns:
        (B, m, D_S) and (B, n, D_T).
    """
    examples = student.logits.shape[0]
    ours = (examples, sizes.student_layers, sizes.student_width)
    theirs = (examples, sizes.teacher_layers, sizes.teacher_width)
    return token_pair(method, "layers", student, teacher, (ours, theirs))


SignalName = Literal["layers", "states", "scores", "qkv"]

Shape = tuple[int | None, ...]  # sizes that are expected; None for any

SHAPES: dict[SignalName, str] = {
    "states": "(examples, layers, tokens, width)",
    "scores": "(examples, layers, heads, tokens, tokens)",
    "qkv": "(examples, layers, 3, tokens, width)",
}
"""What the sizes of signals of single tokens are."""


def token_mask(method: str, student: Signal) -> Tensor:
    """The student's mask as (B, S) bool."""
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
    name: SignalName,
    student: Signal,
    teacher: Signal | None,
    expected: tuple[Shape, Shape],
) -> tuple[Tensor, Tensor]:
    """One token-level signal of both sides, the teacher's cut off from its gradients.

    `expected` is its shape on the student's side and on the teacher's.
    """
    ours = _checked(method, name, "student", student, expected[0])
    # What may be anything on the student's side is the same on the teacher's.
    known = zip(expected[1], ours.shape, strict=True)
    shape = tuple(size if want is None else want for want, size in known)
    return ours, _checked(method, name, "teacher", teacher, shape).detach()


def _checked(
    method: str, name: SignalName, side: str, signal: Signal | None, shape: Shape
) -> Tensor:
    found: Tensor | None = None if signal is None else getattr(signal, name)
    if found is None:
        raise UserError(
            f"method {method!r} reads the {side}'s {name}: pass"
            f" {side}=Signal(logits=..., {name}=...)"
        )
    if len(shape) == found.ndim and all(
        want in (None, size) for want, size in zip(shape, found.shape, strict=True)
    ):
        return found
    said = f"{side} {name} have shape {tuple(found.shape)}, method {method!r}"
    if name == "layers":
        raise UserError(
            f"{said} was built for {shape}, that is (examples, layers, width): leave the embedding"
            " output out, or build the method with these sizes"
        )
    words = tuple("any" if want is None else want for want in shape)
    raise UserError(
        f"{said} expects {words}, that is {SHAPES[name]}: pass the layers of method.{side}_tokens,"
        " in its order"
    )
