import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_match import (
    normalised_distance,
    unit_distance,
)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        # (0.6, 0.8) against (1, 0): 0.4^2 + 0.8^2
        ((3.0, 4.0), (7.0, 0.0), 0.16 + 0.64),
        ((1.0, 2.0), (10.0, 20.0), 0.0),
        ((1.0, 2.0), (-1.0, -2.0), 4.0),
        ((1.0, 0.0), (0.0, 5.0), 2.0),
        # a zero vector stays zero: only the other's length 1 is left
        ((0.0, 0.0), (0.0, 5.0), 1.0),
    ],
)
def test_pairs_by_hand(left, right, expected):
    assert unit_distance(double(left), double(right)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 2.4), ("mean", 1.2)])
def test_mean_over_examples_then_over_pairs(reduction, expected):
    # First pair of layers: (0.8 + 0) / 2 = 0.4. Second pair: (4 + 0) / 2 = 2.
    student = double([[3.0, 4.0], [1.0, 0.0]], [[2.0, 0.0], [0.0, 1.0]])
    teacher = double([[1.0, 0.0], [-1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    loss = normalised_distance(student, teacher, reduction)
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_smallest_norm():
    # A norm of 1e-13 counts as 1e-12, so the vector has length 0.1 instead of 1.
    distance = unit_distance(double([1e-13, 0.0]), double([0.0, 0.0]))
    assert distance.item() == pytest.approx(0.01, rel=1e-9)


def test_gradients():
    student = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(2, 2, 3).requires_grad_()
    teacher = torch.linspace(2, 1, 12, dtype=torch.float64).reshape(2, 2, 3).requires_grad_()
    assert gradcheck(lambda s, t: normalised_distance(s, t), (student, teacher))


def test_half_inputs_are_raised():
    # In half precision the squares of 300 would be infinite and the unit vector 0.
    distance = unit_distance(torch.tensor([300.0, 400.0]).half(), torch.tensor([1.0, 0.0]).half())
    assert distance.item() == pytest.approx(0.8, rel=1e-6)
    assert distance.dtype == torch.float32
