"""Buckets A(j): the teacher layers that student layer j may draw on. Layers count from 1.

`AttentionStats` sums up how a student's layers spread their attention over their buckets.

The exact 12-to-m sets of the ALP-KD paper (arXiv 2012.14022) are not confirmed. Partial overlap
by 1 layer gives the 6-to-2 example of the CKD authors: {1-4}, {3-6}.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from alpkd_pipeline.distillation.method_spec import BucketKind
from alpkd_pipeline.errors import UserError

Buckets = tuple[tuple[int, ...], ...]


def make_buckets(
    kind: BucketKind, student_layers: int, teacher_layers: int, overlap: int = 1
) -> Buckets:
    """The buckets of a kind, each with its teacher layers in increasing order.

    `all`: every teacher layer for every student layer. `no` (no overlap): the n teacher layers cut
    into m consecutive groups whose sizes differ by at most one, larger ones first. 12 to 4: 1-3,
    4-6, 7-9, 10-12. `po` (partial overlap): these groups, each extended by `overlap` layers on both
    sides and clipped to 1..n. 12 to 4 with an overlap of 1: 1-4, 3-7, 6-10, 9-12.

    Raises:
        UserError: the student is deeper than the teacher, or has no layer.
    """
    m, n = student_layers, teacher_layers
    check_depths(m, n)
    if kind == "all":
        return (tuple(range(1, n + 1)),) * m
    size, larger = divmod(n, m)
    starts = [1 + j * size + min(j, larger) for j in range(m + 1)]
    more = overlap if kind == "po" else 0
    return tuple(
        tuple(range(max(1, start - more), min(n + 1, stop + more)))
        for start, stop in pairwise(starts)
    )


def bucket_mask(buckets: Buckets, teacher_layers: int) -> Tensor:
    """The buckets as a bool tensor (m, n), true where student layer j may draw on layer k."""
    return torch.tensor([[k in bucket for k in range(1, teacher_layers + 1)] for bucket in buckets])


def check_depths(student_layers: int, teacher_layers: int) -> None:
    """Refuse a student without layers or deeper than its teacher."""
    if student_layers < 1:
        raise UserError(f"a student needs at least 1 layer, not {student_layers}")
    if student_layers > teacher_layers:
        raise UserError(
            f"the student has {student_layers} layers, more than its teacher's {teacher_layers}:"
            f" set student.layers to at most {teacher_layers}"
        )


def entropy(weights: Tensor) -> Tensor:
    """The entropy (B, m) in nats of every row of attention weights (B, m, n), 0 ln 0 being 0."""
    return torch.special.entr(weights).sum(dim=-1)


class AttentionStats:
    """Sums over batches, kept in float64 on the CPU so that a large split loses no digits."""

    def __init__(self, buckets: Buckets, teacher_layers: int) -> None:
        self._buckets = buckets
        self._examples = 0
        self._weights = torch.zeros(len(buckets), teacher_layers, dtype=torch.float64)
        self._entropy = torch.zeros(len(buckets), dtype=torch.float64)

    def update(self, weights: Tensor) -> None:
        """Add a batch: the `weights` (B, m, n) of a method's `LossTerms`."""
        weights = weights.detach().to("cpu", torch.float64)
        self._examples += weights.shape[0]
        self._weights += weights.sum(dim=0)
        self._entropy += entropy(weights).sum(dim=0)

    def summary(self) -> dict[str, Any]:
        """The means over all examples seen so far, JSON-ready; nan before the first.

        Returns:
            `weights`: m rows of n numbers, the mean weight of student layer j on teacher layer k,
            zero outside A(j); `entropy`: per student layer, the mean over examples of
            -sum_k a_jk ln a_jk, in nats, near 0 where each example picks one teacher layer;
            `max_entropy`: ln|A(j)|, reached by equal weights; `examples`: how many were seen.
        """
        return {
            "weights": (self._weights / self._examples).tolist(),
            "entropy": (self._entropy / self._examples).tolist(),
            "max_entropy": [math.log(len(bucket)) for bucket in self._buckets],
            "examples": self._examples,
        }
