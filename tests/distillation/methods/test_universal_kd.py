import math

import pytest
import torch

from alpkd_pipeline.distillation.methods.universal_kd import fit_outputs
from alpkd_pipeline.errors import UserError

LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(reduction, build, wavy):
    method = build("universal_kd", reduction=reduction, seed=3).double()
    student, teacher = wavy(3), wavy(6, phase=2)
    expected = 0.0
    for b in range(3):
        q = [method.teacher_maps[k] @ teacher.layers[b, k] for k in range(5)]
        for j in range(2):
            p = method.student_maps.maps[j].weight.detach() @ student.layers[b, j]
            exps = [math.exp(p @ answer) for answer in q]
            fused = sum(e / sum(exps) * answer for e, answer in zip(exps, q, strict=True))
            target = fused.softmax(dim=0)
            expected += (target * (target.log() - p.log_softmax(dim=0))).sum().item() / 3
    expected /= 2 if reduction == "mean" else 1
    found = method(student, teacher, LABELS).intermediate
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_the_last_layers_are_left_out(build, wavy):
    student, teacher = wavy(3, grad=True), wavy(6, phase=2)
    method = build("universal_kd")
    method(student, teacher, LABELS).intermediate.backward()
    assert student.layers.grad[:, :2].abs().sum() > 0
    assert student.layers.grad[:, 2].abs().sum() == 0
    before = method(student, teacher, LABELS).intermediate
    teacher.layers[:, 5] += 1
    assert torch.equal(method(student, teacher, LABELS).intermediate, before)


def test_one_layer_has_no_inner_ones(build):
    with pytest.raises(UserError) as caught:
        build("universal_kd", student_layers=1)
    assert str(caught.value) == (
        "method 'universal_kd' leaves the last layers out and needs a student with at least 2"
        " layers, not 1: raise student.layers, or take another method"
    )


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_widths_may_differ_and_a_regression_has_one_output(task, build, wavy):
    method = build("universal_kd", task=task, classes=5, student_width=7)
    outputs = 1 if task == "regression" else 5
    assert method.teacher_maps.shape == (5, outputs, 4)
    assert [tuple(m.weight.shape) for m in method.student_maps.maps] == [(outputs, 7)] * 2
    assert all(m.bias is None for m in method.student_maps.maps)


def spheres(rows: int = 512):
    """Layer 1 tells the classes apart, layer 2 does not; layer 3 is the last one."""
    draw = torch.Generator().manual_seed(5)
    labels = torch.arange(rows) % 2
    layers = torch.randn(rows, 3, 4, generator=draw)
    layers[:, 0, 0] += 4.0 * (2.0 * labels - 1.0)
    return layers, labels


def test_teacher_layers_answer_for_themselves():
    layers, labels = spheres()
    like = torch.zeros(2, 2, 4)
    maps = fit_outputs(
        lambda rows: (layers[rows], labels[rows]), torch.arange(512), like, "classification", 0
    )
    right = [
        (torch.einsum("bd,cd->bc", layers[:, k], maps[k]).argmax(dim=1) == labels).float().mean()
        for k in range(2)
    ]
    assert right[0] > 0.99
    assert right[1] < 0.65


def test_the_fit_repeats_itself_and_reads_the_given_rows_alone():
    layers, labels = spheres()
    seen = set()

    def read(rows):
        seen.update(rows.tolist())
        return layers[rows], labels[rows].float()

    rows, like = torch.arange(100, 356), torch.zeros(2, 1, 4)
    one, two = (fit_outputs(read, rows, like, "regression", 4) for _ in range(2))
    other = fit_outputs(read, rows, like, "regression", 5)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert seen == set(rows.tolist())


def test_what_was_fitted_is_used_and_never_learned(build, wavy):
    layers, labels = spheres()
    method = build("universal_kd", teacher_layers=3, student_layers=2)
    method.prepare(lambda rows: (layers[rows], labels[rows]), torch.arange(512), seed=1)
    fitted = fit_outputs(
        lambda rows: (layers[rows], labels[rows]),
        torch.arange(512),
        torch.zeros(2, 2, 4),
        "classification",
        1,
    )
    assert torch.equal(method.teacher_maps, fitted)
    assert not method.teacher_maps.requires_grad
    assert len(method.learned) == 1
