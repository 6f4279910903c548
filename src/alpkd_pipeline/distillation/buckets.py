"""Buckets A(j): the teacher layers that student layer j may draw on. Layers count from 1.

The exact 12-to-m sets of the ALP-KD paper (arXiv 2012.14022) are not confirmed. `partial_overlap`
with an overlap of 1 gives the 6-to-2 example of the CKD authors: {1-4}, {3-6}.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alpkd_pipeline.distillation.method_row import BucketKind
from alpkd_pipeline.errors import UserError

Buckets = tuple[tuple[int, ...], ...]


def all_layers(student_layers: int, teacher_layers: int) -> Buckets:
    """Every teacher layer for every student layer.

    Raises:
        UserError: the student is deeper than the teacher, or has no layer.
    """
    check_depths(student_layers, teacher_layers)
    return (tuple(range(1, teacher_layers + 1)),) * student_layers


def no_overlap(student_layers: int, teacher_layers: int) -> Buckets:
    """The n teacher layers cut into m consecutive groups.

    Sizes differ by at most one, larger groups first. 12 to 4: 1-3, 4-6, 7-9, 10-12.

    Raises:
        UserError: the student is deeper than the teacher, or has no layer.
    """
    check_depths(student_layers, teacher_layers)
    size, larger = divmod(teacher_layers, student_layers)
    groups: list[tuple[int, ...]] = []
    start = 1
    for j in range(student_layers):
        stop = start + size + (j < larger)
        groups.append(tuple(range(start, stop)))
        start = stop
    return tuple(groups)


def partial_overlap(student_layers: int, teacher_layers: int, overlap: int = 1) -> Buckets:
    """The groups of `no_overlap`, each extended by `overlap` layers on both sides.

    Groups are clipped to 1..n. 12 to 4 with an overlap of 1: 1-4, 3-7, 6-10, 9-12.

    Raises:
        UserError: the student is deeper than the teacher, or has no layer.
    """
    groups = no_overlap(student_layers, teacher_layers)
    return tuple(
        tuple(range(max(1, group[0] - overlap), min(teacher_layers, group[-1] + overlap) + 1))
        for group in groups
    )


def make_buckets(
    kind: BucketKind, student_layers: int, teacher_layers: int, overlap: int = 1
) -> Buckets:
    """The buckets of a kind: `all`, `no` (no overlap) or `po` (partial overlap).

    Args:
        kind: which rule to follow.
        student_layers: m.
        teacher_layers: n, at least m.
        overlap: layers added on each side; read by `po` alone.

    Returns:
        m tuples of teacher layers in increasing order.

    Raises:
        UserError: the student is deeper than the teacher, or has no layer.
    """
    if kind == "all":
        return all_layers(student_layers, teacher_layers)
    if kind == "no":
        return no_overlap(student_layers, teacher_layers)
    return partial_overlap(student_layers, teacher_layers, overlap)


def bucket_mask(buckets: Buckets, teacher_layers: int) -> Tensor:
    """The buckets as a bool tensor (m, n), true where student layer j may draw on layer k."""
    return torch.tensor([[k in bucket for k in range(1, teacher_layers + 1)] for bucket in buckets])


def check_depths(student_layers: int, teacher_layers: int) -> None:
    """Refuse a student without layers or deeper than its teacher.

    Raises:
        UserError: names both depths.
    """
    if student_layers < 1:
        raise UserError(f"a student needs at least 1 layer, not {student_layers}")
    if student_layers > teacher_layers:
        raise UserError(
            f"the student has {student_layers} layers, more than its teacher's {teacher_layers}:"
            f" set student.layers to at most {teacher_layers}"
        )
