"""Which scores belong together when teachers have seeds too."""

from __future__ import annotations

import pytest

from alpkd_pipeline.reporting.statistics.arms import pair, per_seed, spread_of


@pytest.mark.parametrize(
    ("units", "spread"),
    [
        ([(0, "a"), (1, "a"), (2, "a")], "student seeds only"),
        ([(0, "a"), (1, "b"), (2, "c")], "student and teacher seeds"),
        ([(0, "a"), (0, "b"), (1, "a"), (1, "b")], "student seeds only"),
        ([(0, "a"), (0, "b"), (1, "c"), (1, "d")], "student and teacher seeds"),
        ([(0, "a"), (1, "a"), (2, "b")], "mixed"),
        ([(0, "a"), (0, "b"), (1, "a")], "mixed"),
        ([(0, "a"), (0, "b")], ""),
        ([], ""),
    ],
)
def test_what_a_spread_is_made_of(units, spread):
    assert spread_of(units) == spread


def test_teachers_of_a_seed_are_averaged():
    assert per_seed({(0, "a"): 0.2, (0, "b"): 0.4, (1, "a"): 0.5}) == {
        0: pytest.approx(0.3),
        1: 0.5,
    }


def test_a_full_cross_has_as_many_pairs_as_student_seeds():
    candidate = {(seed, teacher): 0.8 + seed / 10 for seed in range(3) for teacher in "ab"}
    reference = {unit: score - 0.1 for unit, score in candidate.items()}
    found = pair(candidate, reference)
    assert sorted(found.candidate) == sorted(found.reference) == [0, 1, 2]
    assert (found.spread, found.teachers) == ("student seeds only", 2)


def test_only_what_both_have_under_one_teacher_is_a_pair():
    found = pair({(0, "a"): 0.9, (0, "b"): 0.1, (1, "a"): 0.7}, {(0, "a"): 0.6, (1, "b"): 0.5})
    assert (found.candidate, found.reference) == ({0: 0.9}, {0: 0.6})
    assert found.teachers == 1


def test_nothing_in_common_is_no_error():
    found = pair({(0, "a"): 0.9}, {})
    assert (found.candidate, found.reference, found.spread, found.teachers) == ({}, {}, "", 0)
