from math import log

import pytest
import torch

from alpkd_pipeline.distillation import Signal


def test_by_hand(build):
    # Hard: ln 2. Soft at T = 2: 4 KL((1/4, 3/4) || (1/2, 1/2)).
    student = Signal(torch.zeros(1, 2).double())
    teacher = Signal(torch.tensor([[0.0, 2 * log(3)]], dtype=torch.float64))
    terms = build("kd", beta=0.1, eta=0.7, temperature=2.0)(student, teacher, torch.tensor([0]))
    soft = 4 * (1 / 4 * log(1 / 2) + 3 / 4 * log(3 / 2))
    assert terms.soft.item() == pytest.approx(soft, rel=1e-12)
    assert terms.total.item() == pytest.approx(0.1 * log(2) + 0.7 * soft, rel=1e-12)
    assert terms.intermediate is None


def test_a_student_that_agrees_with_its_teacher_has_no_soft_loss(build, wavy):
    assert build("kd")(wavy(), wavy(), torch.tensor([0, 1, 1])).soft.abs() < 1e-12
