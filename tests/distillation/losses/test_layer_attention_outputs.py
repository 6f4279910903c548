import math

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_attention import layer_outputs, output_match

# One example, one student layer, two teacher layers. Scores <p, q_k> are 0 and ln 3, so the
# weights are 1/4 and 3/4, and what they combine is (0, 3/4 ln 3 / a).
LN3 = math.log(3)
STUDENT = torch.tensor([[[0.0, 1.0]]], dtype=torch.float64)
TEACHER = torch.tensor([[[2.0, 0.0], [0.0, LN3]]], dtype=torch.float64)


def test_classes_by_hand():
    fused = torch.tensor([1 / 4 * 2.0, 3 / 4 * LN3], dtype=torch.float64)
    ours = 1 / (1 + math.e), math.e / (1 + math.e)
    theirs = [math.exp(x) / (math.exp(fused[0]) + math.exp(fused[1])) for x in fused]
    expected = sum(t * math.log(t / s) for t, s in zip(theirs, ours, strict=True))
    assert output_match(STUDENT, TEACHER).item() == pytest.approx(expected, rel=1e-12)


def test_regression_by_hand():
    student, teacher = (torch.tensor(v, dtype=torch.float64) for v in ([[[1.0]]], [[[0.0], [LN3]]]))
    # Weights 1/4 and 3/4 again.
    expected = (3 / 4 * LN3 - 1) ** 2
    found = output_match(student, teacher, "regression")
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_layers_are_summed_or_averaged_and_examples_averaged():
    student = torch.cat([STUDENT, STUDENT], dim=1).repeat(3, 1, 1)
    teacher = TEACHER.repeat(3, 1, 1)
    one = output_match(STUDENT, TEACHER)
    torch.testing.assert_close(output_match(student, teacher), 2 * one)
    torch.testing.assert_close(output_match(student, teacher, reduction="mean"), one)


def test_each_layer_has_its_own_map():
    layers = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    maps = torch.tensor([[[1.0, 0.0]], [[0.0, 10.0]]])
    assert layer_outputs(layers, maps).tolist() == [[[1.0], [40.0]]]


@pytest.mark.parametrize(("task", "classes"), [("classification", 3), ("regression", 1)])
def test_gradients_flow_to_the_student_through_the_weights_too(task, classes, wavy):
    student = wavy(2, width=classes, grad=True).layers
    teacher = wavy(4, width=classes, phase=2).layers
    assert gradcheck(lambda p: output_match(p, teacher, task), (student,))
