from math import log

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.soft import soft_loss
from alpkd_pipeline.errors import UserError

# At T = 2 the teacher's logits (0, 2 ln 3) become (1/4, 3/4) and the student's (0, 0) (1/2, 1/2).
STUDENT = torch.tensor([[0.0, 0.0], [1.0, 2.0]], dtype=torch.float64)
TEACHER = torch.tensor([[0.0, 2 * log(3)], [1.0, 2.0]], dtype=torch.float64)


def test_classes_by_hand():
    # KL of the first row; the second row agrees and adds 0. Mean over 2 examples, not 4 numbers.
    divergence = 1 / 4 * log(1 / 2) + 3 / 4 * log(3 / 2)
    expected = 2**2 * (divergence + 0) / 2
    assert soft_loss(STUDENT, TEACHER, 2.0).item() == pytest.approx(expected, rel=1e-12)


def test_without_the_factor_it_is_the_plain_divergence():
    divergence = (1 / 4 * log(1 / 2) + 3 / 4 * log(3 / 2)) / 2
    found = soft_loss(STUDENT, TEACHER, 2.0, scale="none")
    assert found.item() == pytest.approx(divergence, rel=1e-12)
    scores = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [5.0]])
    assert soft_loss(*scores, 2.0, "regression", "none").item() == 5.0


def test_direction_is_from_teacher_to_student():
    other_way = 1 / 2 * log(2) + 1 / 2 * log(2 / 3)
    expected = 2**2 * other_way / 2
    assert soft_loss(TEACHER, STUDENT, 2.0).item() == pytest.approx(expected, rel=1e-12)


def test_gradient_is_that_of_the_cross_entropy_times_t_squared():
    student = STUDENT.clone().requires_grad_()
    (ours,) = torch.autograd.grad(soft_loss(student, TEACHER, 2.0), student)
    cross_entropy = -((TEACHER / 2).softmax(1) * (student / 2).log_softmax(1)).sum(1).mean()
    (theirs,) = torch.autograd.grad(cross_entropy, student)
    torch.testing.assert_close(ours, 4 * theirs)


def test_regression_by_hand_ignores_the_temperature():
    student, teacher = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [5.0]])
    # (1 + 9) / 2
    assert soft_loss(student, teacher, 2.0, "regression").item() == 5.0
    assert soft_loss(student, teacher, 20.0, "regression").item() == 5.0


def test_gradients():
    student = STUDENT.clone().requires_grad_()
    assert gradcheck(lambda z: soft_loss(z, TEACHER, 3.0), (student,))
    assert gradcheck(lambda z: soft_loss(z, TEACHER, 3.0, scale="none"), (student,))
    scores = torch.tensor([[0.5], [-1.0]], dtype=torch.float64, requires_grad=True)
    target = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    assert gradcheck(lambda z: soft_loss(z, target, 3.0, "regression"), (scores,))


def test_half_inputs_are_raised():
    student, teacher = STUDENT.half(), TEACHER.half()
    expected = soft_loss(student.float(), teacher.float(), 2.0)
    assert soft_loss(student, teacher, 2.0).dtype == torch.float32
    assert torch.equal(soft_loss(student, teacher, 2.0), expected)
    assert soft_loss(STUDENT, teacher, 2.0).dtype == torch.float64


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan")])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(UserError, match=r"temperature=.* use a number > 0"):
        soft_loss(STUDENT, TEACHER, temperature)
