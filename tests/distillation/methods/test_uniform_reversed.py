import pytest
import torch


@pytest.mark.parametrize(
    ("m", "n", "expected"),
    [
        # r = 2, 4, ..., 12; g = 13 - r
        (6, 12, (11, 9, 7, 5, 3, 1)),
        (4, 12, (10, 7, 4, 1)),
        (2, 12, (7, 1)),
        # 5/2 = 2.5 is rounded up: r = 3, 5
        (2, 5, (3, 1)),
        (3, 3, (3, 2, 1)),
    ],
)
def test_pairs(m, n, expected, build):
    method = build("reversed", teacher_layers=n, student_layers=m)
    assert method.pairs == tuple(enumerate(expected, start=1))


def test_equation(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    expected = sum(
        ((student.layers[:, j - 1] - teacher.layers[:, k - 1]) ** 2).mean().item()
        for j, k in ((1, 5), (2, 3), (3, 1))
    )
    loss = build("reversed")(student, teacher, torch.tensor([0, 1, 1])).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)
