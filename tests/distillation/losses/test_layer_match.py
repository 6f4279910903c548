import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_match import layer_match, squared_distance

# 2 examples, 2 pairs of layers, width 2.
STUDENT = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]], dtype=torch.float64)
TEACHER = torch.tensor([[[0.0, 0.0], [3.0, 0.0]], [[1.0, 0.0], [1.0, 2.0]]], dtype=torch.float64)
# First pair: (1 + 4 + 1 + 0) / 4 = 1.5. Second pair: (9 + 0 + 0 + 1) / 4 = 2.5.


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 1.5 + 2.5), ("mean", 2.0)])
def test_by_hand(reduction, expected):
    assert layer_match(STUDENT, TEACHER, reduction).item() == expected


def test_gradients():
    student = STUDENT.clone().requires_grad_()
    teacher = TEACHER.clone().requires_grad_()
    assert gradcheck(lambda s, t: layer_match(s, t), (student, teacher))


def test_half_inputs_are_raised():
    # 300^2 = 90,000 is beyond the range of half precision.
    student, teacher = torch.full((1, 1, 2), 300.0).half(), torch.zeros(1, 1, 2).half()
    assert layer_match(student, teacher).item() == 90_000.0
    assert layer_match(student, teacher).dtype == torch.float32


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 3.0 + 5.0), ("mean", 4.0)])
def test_the_squared_distance_is_the_sum_over_the_width(reduction, expected):
    # First pair: (5 + 1) / 2. Second pair: (9 + 1) / 2.
    assert squared_distance(STUDENT, TEACHER, reduction).item() == expected
