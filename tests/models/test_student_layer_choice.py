from __future__ import annotations

import pytest

from alpkd_pipeline.models.student import first, last, spread


@pytest.mark.parametrize(
    ("student", "teacher", "layers"),
    [
        (6, 12, (2, 4, 6, 8, 10, 12)),
        (4, 12, (3, 6, 9, 12)),
        (2, 12, (6, 12)),
        (1, 12, (12,)),
        (12, 12, tuple(range(1, 13))),
        # 1.5 and 4.5 go up, where Python's round would take 2 and 4
        (4, 6, (2, 3, 5, 6)),
        (5, 12, (2, 5, 7, 10, 12)),
    ],
)
def test_spread(student: int, teacher: int, layers: tuple[int, ...]) -> None:
    assert spread(student, teacher) == layers


def test_first_and_last() -> None:
    assert first(4, 12) == (1, 2, 3, 4)
    assert last(4, 12) == (9, 10, 11, 12)
    assert first(12, 12) == last(12, 12) == tuple(range(1, 13))


@pytest.mark.parametrize("choose", [first, last, spread])
def test_every_choice_is_increasing_and_inside_the_teacher(choose: object) -> None:
    for teacher in range(1, 25):
        for student in range(1, teacher + 1):
            layers = choose(student, teacher)  # type: ignore[operator]
            assert len(layers) == len(set(layers)) == student
            assert list(layers) == sorted(layers)
            assert 1 <= layers[0] <= layers[-1] <= teacher
