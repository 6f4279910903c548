import pytest
import torch

from alpkd_pipeline.distillation.method_spec import Sizes
from alpkd_pipeline.distillation.signals import Signal, check_outputs, layer_signals, teacher_logits
from alpkd_pipeline.errors import UserError

SIZES = Sizes(teacher_layers=6, student_layers=3, teacher_width=8, student_width=4)
LOGITS = torch.zeros(2, 3)


def test_outputs_that_fit():
    check_outputs(LOGITS, torch.tensor([0, 2]), "classification")
    check_outputs(torch.zeros(2, 1), torch.tensor([0.5, 2.0]), "regression")


@pytest.mark.parametrize(
    ("logits", "labels", "task", "message"),
    [
        (torch.zeros(2), torch.zeros(2), "regression", r"student logits have shape \(2,\)"),
        (torch.zeros(0, 3), torch.zeros(0), "classification", "at least one example"),
        (LOGITS, torch.tensor([0, 1, 2]), "classification", r"labels have shape \(3,\) for 2"),
        (torch.zeros(2, 1), torch.zeros(2, 1), "regression", r"labels have shape \(2, 1\)"),
        (LOGITS, torch.zeros(2), "regression", "one output, the student has 3"),
        (LOGITS, torch.zeros(2), "classification", "float32 but the task is a classification"),
    ],
)
def test_outputs_that_do_not(logits, labels, task, message):
    with pytest.raises(UserError, match=message):
        check_outputs(logits, labels, task)


def test_teacher_logits_are_cut_off():
    theirs = torch.zeros(2, 3, requires_grad=True)
    assert not teacher_logits("kd", Signal(theirs), LOGITS).requires_grad


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (None, r"method 'kd' learns from a teacher: pass teacher=Signal"),
        (Signal(torch.zeros(2, 2)), r"teacher logits have shape \(2, 2\), student logits \(2, 3\)"),
        (Signal(torch.zeros(1, 3)), "same examples"),
    ],
)
def test_teacher_logits_that_do_not_fit(teacher, message):
    with pytest.raises(UserError, match=message):
        teacher_logits("kd", teacher, LOGITS)


def test_layers_that_fit():
    student = Signal(LOGITS, torch.zeros(2, 3, 4, requires_grad=True))
    teacher = Signal(LOGITS, torch.zeros(2, 6, 8, requires_grad=True))
    ours, theirs = layer_signals("alp_kd", teacher, student, SIZES)
    assert ours.requires_grad
    assert not theirs.requires_grad


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (None, (2, 6, 8), "reads the student's layers: pass student=Signal"),
        ((2, 3, 4), None, "reads the teacher's layers: pass teacher=Signal"),
        ((2, 4, 4), (2, 6, 8), r"student layers have shape \(2, 4, 4\).*\(2, 3, 4\).*embedding"),
        ((2, 3, 8), (2, 6, 8), r"student layers have shape \(2, 3, 8\)"),
        ((1, 3, 4), (2, 6, 8), r"student layers have shape \(1, 3, 4\)"),
        ((2, 3, 4), (2, 7, 8), r"teacher layers have shape \(2, 7, 8\).*\(2, 6, 8\)"),
        ((2, 3, 4), (2, 6, 4), r"teacher layers have shape \(2, 6, 4\)"),
    ],
)
def test_layers_that_do_not(ours, theirs, message):
    student = Signal(LOGITS, None if ours is None else torch.zeros(ours))
    teacher = Signal(LOGITS, None if theirs is None else torch.zeros(theirs))
    with pytest.raises(UserError, match=message):
        layer_signals("alp_kd", teacher, student, SIZES)


def test_layers_without_a_teacher():
    with pytest.raises(UserError, match="reads the teacher's layers"):
        layer_signals("alp_kd", None, Signal(LOGITS, torch.zeros(2, 3, 4)), SIZES)
