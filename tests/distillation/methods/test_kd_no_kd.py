from math import log

import pytest
import torch

from alpkd_pipeline.distillation import Signal


def test_only_the_labels_count(build):
    # -ln softmax(0, ln 3)[1] = ln(4/3), with beta = 1
    student = Signal(torch.tensor([[0.0, log(3)]]).double())
    terms = build("no_kd")(student, None, torch.tensor([1]))
    assert terms.total.item() == terms.hard.item() == pytest.approx(log(4 / 3), rel=1e-7)
    assert terms.soft is None
    assert terms.intermediate is None


def test_a_teacher_is_ignored(build, wavy):
    method, labels = build("no_kd"), torch.tensor([0, 1, 1])
    with_teacher = method(wavy(), wavy(6, classes=5), labels)
    assert torch.equal(with_teacher.total, method(wavy(), None, labels).total)
