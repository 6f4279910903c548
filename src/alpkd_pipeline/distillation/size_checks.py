"""What a method asks of the sizes of the two models. Standard library only.

The same checks refuse a configuration before anything is loaded and a method when it is built; a
size that is not known yet is None and passes.
"""

from __future__ import annotations

from dataclasses import dataclass

from alpkd_pipeline.distillation.method_row import MethodRow, MethodSettings
from alpkd_pipeline.errors import UserError


@dataclass(frozen=True, slots=True)
class KnownSizes:
    """Layers, widths and attention heads of the two models, as far as they are known."""

    teacher_layers: int | None
    student_layers: int
    teacher_width: int | None
    student_width: int | None
    teacher_heads: int | None
    student_heads: int | None


def check_sizes(row: MethodRow, settings: MethodSettings, sizes: KnownSizes) -> None:
    """Refuse two models that a method cannot compare.

    Raises:
        UserError: names the method, the sizes and what to change.
    """
    _check_depths(row, sizes)
    if "teacher_layer" in settings.options:
        _check_teacher_layer(row, int(settings.options["teacher_layer"]), sizes)
    if "relation_heads" in settings.options:
        _check_relation_heads(row, int(settings.options["relation_heads"]), sizes)
    if "scores" in row.needs:
        _check_same_heads(row, sizes)


def _check_depths(row: MethodRow, sizes: KnownSizes) -> None:
    m, n = sizes.student_layers, sizes.teacher_layers
    if row.deeper_by and n is not None and m > n - row.deeper_by:
        raise UserError(
            f"method {row.name!r} needs a student with at least {row.deeper_by} layer less than its"
            f" teacher's {n}, not {m}: set student.layers to at most {n - row.deeper_by}"
        )


def _check_teacher_layer(row: MethodRow, layer: int, sizes: KnownSizes) -> None:
    if sizes.teacher_layers is not None and layer > sizes.teacher_layers:
        raise UserError(
            f"option teacher_layer={layer} of method {row.name!r} is refused: the teacher has"
            f" {sizes.teacher_layers} layers; use 1 to {sizes.teacher_layers}, or 0 for the last"
        )


def _check_relation_heads(row: MethodRow, asked: int, sizes: KnownSizes) -> None:
    heads = asked or sizes.teacher_heads
    if heads is None:
        return
    for side, width in (("teacher", sizes.teacher_width), ("student", sizes.student_width)):
        if width is not None and width % heads:
            raise UserError(
                f"method {row.name!r} cuts vectors into {heads} relation heads, and the {side}'s"
                f" width {width} is no multiple of it: set method.relation_heads to a divisor of"
                " both widths"
            )


def _check_same_heads(row: MethodRow, sizes: KnownSizes) -> None:
    ours, theirs = sizes.student_heads, sizes.teacher_heads
    if ours is not None and theirs is not None and ours != theirs:
        raise UserError(
            f"method {row.name!r} compares attention head by head, but the student has {ours} heads"
            f" and the teacher {theirs}: take a student with {theirs} heads, or another method"
        )
