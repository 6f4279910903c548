from functools import partial

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_match import cka_loss
from alpkd_pipeline.models.student import spread

LABELS = torch.tensor([0, 1] * 4)


@pytest.fixture
def wavy(wavy):
    return partial(wavy, examples=8)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    expected = 0.0
    for j, k in ((1, 2), (2, 4), (3, 6)):
        s, t = student.layers[:, j - 1], teacher.layers[:, k - 1]
        turn = torch.eye(8, dtype=torch.float64) - 1 / 8
        gram_s, gram_t = turn @ s @ s.T @ turn, turn @ t @ t.T @ turn
        cka = (gram_s @ gram_t).trace() / (gram_s.norm() * gram_t.norm())
        expected -= (cka + 1e-8).log().item()
    expected /= 3 if reduction == "mean" else 1
    loss = build("cka", reduction=reduction)(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-10)


def test_the_followed_layers_are_spread_evenly(build):
    assert build("cka", teacher_layers=12, student_layers=4).followed == spread(4, 12)


def test_it_works_across_widths_and_learns_nothing(build, wavy):
    method = build("cka", student_width=2)
    student, teacher = wavy(3, width=2), wavy(6, phase=2)
    chosen = teacher.layers[:, [1, 3, 5]]
    loss = method(student, teacher, LABELS).intermediate
    torch.testing.assert_close(loss, cka_loss(student.layers, chosen))
    assert method.learned == ()


def test_gradients(build, wavy):
    method, student, teacher = build("cka"), wavy(3, grad=True).layers, wavy(6, phase=2).layers
    assert gradcheck(lambda s: method.intermediate(s, teacher).loss, (student,))
