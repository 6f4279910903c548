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


def test_only_the_labels_count_for_no_kd(build):
    # -ln softmax(0, ln 3)[1] = ln(4/3), with beta = 1
    student = Signal(torch.tensor([[0.0, log(3)]]).double())
    terms = build("no_kd")(student, None, torch.tensor([1]))
    assert terms.total.item() == terms.hard.item() == pytest.approx(log(4 / 3), rel=1e-7)
    assert terms.soft is None
    assert terms.intermediate is None


def test_no_kd_ignores_a_teacher(build, wavy):
    method, labels = build("no_kd"), torch.tensor([0, 1, 1])
    with_teacher = method(wavy(), wavy(6, classes=5), labels)
    assert torch.equal(with_teacher.total, method(wavy(), None, labels).total)
