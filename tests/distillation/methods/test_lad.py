import math

import pytest
import torch
from torch.autograd import gradcheck

LABELS = torch.tensor([0, 1, 1])


def test_by_hand(build):
    # A map of zeros leaves the gate half open. t_1 = (0, 2) and t_2 = (4, 0) have the mean (2, 1),
    # whose own mean is 1.5, its variance 1/4: G_2 = (0.5, -0.5) / sqrt(0.25 + 1e-5).
    # Layer 1: ((1 - 0)^2 + (2 - 2)^2) / 2. Layer 2, all 0: the mean square of G_2.
    method = build("lad", teacher_layers=2, student_layers=2, teacher_width=2, student_width=2)
    with torch.no_grad():
        method.gates[0].map.weight.zero_()
        method.gates[0].map.bias.zero_()
    student = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]], dtype=torch.float64)
    teacher = torch.tensor([[[0.0, 2.0], [4.0, 0.0]]], dtype=torch.float64)
    first, second = 1 / 2, 0.25 / (0.25 + 1e-5)
    found = method.intermediate(student, teacher)
    assert found.loss.item() == pytest.approx((first + second) / 2, rel=1e-12)
    assert found.watch["gates"].item() == 0.5


def test_equation(build, wavy):
    method, student, teacher = build("lad", seed=3), wavy(3), wavy(6, phase=2)
    fused = [teacher.layers[:, 0]]
    for k, gate in enumerate(method.gates, start=1):
        weight, bias = gate.map.weight.double(), gate.map.bias.double()
        opened = 1 / (1 + (-(fused[-1] @ weight.T + bias)).exp())
        mixed = opened * teacher.layers[:, k] + (1 - opened) * fused[-1]
        centred = mixed - mixed.mean(dim=-1, keepdim=True)
        fused.append(centred / (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt())
    pairs = ((0, 1), (1, 3), (2, 5))
    expected = sum((student.layers[:, j] - fused[k]).square().mean() for j, k in pairs) / 3
    torch.testing.assert_close(method(student, teacher, LABELS).intermediate, expected)


def test_an_open_gate_lets_the_layer_through_and_a_closed_one_what_is_below(build, wavy):
    gate = build("lad").gates[0]
    below, layer = wavy(1).layers[:, 0], wavy(1, phase=2).layers[:, 0]
    with torch.no_grad():
        gate.map.weight.zero_()
        gate.map.bias.fill_(40.0)
        through = gate(below, layer)[0]
        gate.map.bias.fill_(-40.0)
        stays = gate(below, layer)[0]
    norm = torch.nn.functional.layer_norm
    torch.testing.assert_close(through, norm(layer, (4,)))
    torch.testing.assert_close(stays, norm(below, (4,)))


def test_gates_learn_at_their_own_rate_and_a_projection_at_the_students(build):
    method = build("lad", student_width=2, projection="linear", gate_lr=3e-5)
    assert set(method.rates.values()) == {3e-5}
    own = {id(parameter) for parameter in method.rates}
    assert own == {id(parameter) for parameter in method.gates.parameters()}
    assert len(method.learned) == len(own) + 2 * 3
    assert build("ckd").rates == {}


def test_gates_are_drawn_as_xavier_has_it(build):
    method = build("lad", teacher_width=64, student_width=64)
    for gate in method.gates:
        assert gate.map.weight.abs().max().item() <= math.sqrt(6 / 128) + 1e-7
        assert gate.map.weight.std().item() == pytest.approx(math.sqrt(2 / 128), rel=0.05)
        assert (gate.norm.weight == 1).all()


def test_a_teacher_of_one_layer_has_no_gate(build, wavy):
    method = build("lad", teacher_layers=1, student_layers=1)
    student, teacher = wavy(1), wavy(1, phase=2)
    terms = method(student, teacher, LABELS)
    torch.testing.assert_close(
        terms.intermediate, (student.layers - teacher.layers).square().mean()
    )
    assert not method.learned
    assert not terms.watch


def test_gradients(build, wavy):
    method, student, teacher = build("lad").double(), wavy(3, grad=True).layers, wavy(6).layers
    assert gradcheck(
        lambda s, *learned: method.intermediate(s, teacher).loss, (student, *method.learned)
    )
