import pytest
import torch


def test_equation(build, wavy):
    student, teacher = wavy(3, grad=True), wavy(6, phase=2)
    loss = build("last_layer")(student, teacher, torch.tensor([0, 1, 1])).intermediate
    expected = ((student.layers[:, 2] - teacher.layers[:, 5]) ** 2).mean().item()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    loss.backward()
    assert (student.layers.grad[:, :2] == 0).all()


def test_pair(build):
    assert build("last_layer", teacher_layers=12, student_layers=4).pairs == ((4, 12),)
