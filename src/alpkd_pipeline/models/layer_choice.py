"""Which of the teacher's n layers stand for a student's m layers. Layers are numbered from 1."""

from __future__ import annotations


def spread(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """Every k-th layer, the last one included: r(j) = floor(j*n/m + 1/2) for j = 1..m.

    In integers, because Python's `round` takes halves to the even neighbour.
    12 to 6: 2, 4, 6, 8, 10, 12. 12 to 4: 3, 6, 9, 12.
    """
    m, n = student_layers, teacher_layers
    return tuple((2 * j * n + m) // (2 * m) for j in range(1, m + 1))


def last(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher's last m layers. 12 to 4: 9, 10, 11, 12."""
    return tuple(range(teacher_layers - student_layers + 1, teacher_layers + 1))


def first(student_layers: int, teacher_layers: int) -> tuple[int, ...]:
    """The teacher's first m layers. 12 to 4: 1, 2, 3, 4."""
    return tuple(range(1, student_layers + 1))
