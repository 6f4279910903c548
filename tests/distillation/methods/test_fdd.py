import math

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation import Signal

LABELS = torch.tensor([0, 1, 1])


def double(*rows):
    return torch.tensor([rows], dtype=torch.float64)


def test_by_hand(build):
    # 2 of 4 layers, one example: layers 2 and 4 are followed.
    # Layers: (1, 0) against (2, 0), (0, 1) against (3, 4): cos 1 and 4/5; 0 and 1/5 on average 0.1.
    # Step: (0, 1) - (1, 0) = (-1, 1) against (3, 4) - (2, 0) = (1, 4): cos 3 / sqrt(34).
    method = build("fdd", teacher_layers=4, student_layers=2, teacher_width=2, student_width=2)
    student = double([1.0, 0.0], [0.0, 1.0])
    teacher = double([9.0, 9.0], [2.0, 0.0], [-9.0, 0.0], [3.0, 4.0])
    found = method.intermediate(student, teacher)
    dynamics = 1 - 3 / math.sqrt(34)
    assert found.loss.item() == pytest.approx(0.1 + dynamics, rel=1e-12)
    assert found.watch["trajectory"].item() == pytest.approx(0.1, rel=1e-12)
    assert found.watch["dynamics"].item() == pytest.approx(dynamics, rel=1e-12)


def test_equation(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    cos = torch.nn.functional.cosine_similarity
    ours, theirs = student.layers, teacher.layers[:, [1, 3, 5]]
    trajectory = sum((1 - cos(ours[:, j], theirs[:, j])).mean() for j in range(3)) / 3
    dynamics = (
        sum(
            (1 - cos(ours[:, j + 1] - ours[:, j], theirs[:, j + 1] - theirs[:, j])).mean()
            for j in range(2)
        )
        / 2
    )
    loss = build("fdd")(student, teacher, LABELS).intermediate
    torch.testing.assert_close(loss, trajectory + dynamics)


def test_one_layer_has_no_step(build, wavy):
    student, teacher = wavy(1, grad=True), wavy(6, phase=2)
    terms = build("fdd", student_layers=1)(student, teacher, LABELS)
    cos = torch.nn.functional.cosine_similarity(student.layers[:, 0], teacher.layers[:, 5])
    torch.testing.assert_close(terms.intermediate, (1 - cos).mean())
    assert set(terms.watch) == {"trajectory"}
    terms.total.backward()


def test_steps_of_half_precision_are_taken_in_fp32(build, wavy):
    # In bf16, 256 + 1 is 256: the steps of both layers would be lost.
    layers = torch.tensor([[[256.0, 0.0], [257.0, 1.0]]])
    halves = Signal(torch.zeros(1, 2), layers.bfloat16().float())
    method = build("fdd", teacher_layers=2, student_layers=2, teacher_width=2, student_width=2)
    same = method.intermediate(halves.layers.bfloat16(), halves.layers)
    assert same.loss.item() == pytest.approx(0.0, abs=1e-6)
    assert same.loss.dtype == torch.float32


def test_steps_are_those_of_projected_layers(build, wavy):
    method, student = build("fdd", student_width=2, projection="linear"), wavy(3, width=2)
    mapped = method.projection(student.layers)
    expected = build("fdd").intermediate(mapped, wavy(6, phase=2).layers)
    found = method.intermediate(student.layers, wavy(6, phase=2).layers)
    torch.testing.assert_close(found.loss, expected.loss)


def test_gradients(build, wavy):
    method, student, teacher = build("fdd"), wavy(3, grad=True).layers, wavy(6, phase=2).layers
    assert gradcheck(lambda s: method.intermediate(s, teacher).loss, (student,))
