from functools import partial

import pytest
import torch

from alpkd_pipeline.distillation.buckets import bucket_mask, check_depths, make_buckets
from alpkd_pipeline.errors import UserError


def ranges(*pairs):
    return tuple(tuple(range(first, last + 1)) for first, last in pairs)


@pytest.mark.parametrize("m", [6, 4, 2, 1])
def test_all(m):
    assert make_buckets("all", m, 12) == ranges((1, 12)) * m


@pytest.mark.parametrize(
    ("m", "n", "expected"),
    [
        (6, 12, ranges((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12))),
        (4, 12, ranges((1, 3), (4, 6), (7, 9), (10, 12))),
        (2, 12, ranges((1, 6), (7, 12))),
        (1, 12, ranges((1, 12))),
        (3, 3, ranges((1, 1), (2, 2), (3, 3))),
        # 12 = 3 + 3 + 2 + 2 + 2 and 7 = 3 + 2 + 2: larger groups first
        (5, 12, ranges((1, 3), (4, 6), (7, 8), (9, 10), (11, 12))),
        (3, 7, ranges((1, 3), (4, 5), (6, 7))),
    ],
)
def test_no_overlap(m, n, expected):
    assert make_buckets("no", m, n) == expected


@pytest.mark.parametrize(
    ("m", "n", "overlap", "expected"),
    [
        (6, 12, 1, ranges((1, 3), (2, 5), (4, 7), (6, 9), (8, 11), (10, 12))),
        (4, 12, 1, ranges((1, 4), (3, 7), (6, 10), (9, 12))),
        (2, 12, 1, ranges((1, 7), (6, 12))),
        (2, 6, 1, ranges((1, 4), (3, 6))),
        (2, 6, 2, ranges((1, 5), (2, 6))),
        (2, 6, 99, ranges((1, 6), (1, 6))),
        (1, 6, 1, ranges((1, 6))),
    ],
)
def test_partial_overlap(m, n, overlap, expected):
    assert make_buckets("po", m, n, overlap) == expected


@pytest.mark.parametrize("n", range(1, 14))
def test_groups_cover_every_layer_once_and_differ_by_at_most_one(n):
    for m in range(1, n + 1):
        groups = make_buckets("no", m, n)
        assert [layer for group in groups for layer in group] == list(range(1, n + 1))
        sizes = [len(group) for group in groups]
        assert len(sizes) == m
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] - sizes[-1] <= 1


def test_only_partial_overlap_reads_the_overlap():
    for kind in ("all", "no"):
        assert make_buckets(kind, 2, 6, 2) == make_buckets(kind, 2, 6)


def test_mask():
    mask = bucket_mask(((1, 2), (2, 3)), 4)
    assert mask.dtype == torch.bool
    assert mask.tolist() == [[True, True, False, False], [False, True, True, False]]


@pytest.mark.parametrize(
    "make", [*(partial(make_buckets, kind) for kind in ("all", "no", "po")), check_depths]
)
@pytest.mark.parametrize(
    ("m", "n", "message"),
    [(5, 4, "5 layers, more than its teacher's 4: set student.layers"), (0, 4, "at least 1 layer")],
)
def test_depths_that_cannot_be(make, m, n, message):
    with pytest.raises(UserError, match=message):
        make(m, n)
