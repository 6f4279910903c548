import logging

import pytest
import torch

LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize(
    ("m", "layers", "expected"),
    [
        (6, "skip", (2, 4, 6, 8, 10)),
        (4, "skip", (3, 6, 9)),
        (2, "skip", (6,)),
        (6, "last", (7, 8, 9, 10, 11)),
        (4, "last", (9, 10, 11)),
        (2, "last", (11,)),
    ],
)
def test_pairs_leave_out_the_last_student_layer(m, layers, expected, build):
    method = build("pkd", teacher_layers=12, student_layers=m, layers=layers)
    assert method.pairs == tuple(enumerate(expected, start=1))


@pytest.mark.parametrize(("layers", "chosen"), [("skip", (2, 4)), ("last", (4, 5))])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(layers, chosen, reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    method = build("pkd", layers=layers, reduction=reduction)
    expected = 0.0
    for j, k in enumerate(chosen, start=1):
        for b in range(3):
            s, t = student.layers[b, j - 1], teacher.layers[b, k - 1]
            expected += ((s / s.norm() - t / t.norm()) ** 2).sum().item() / 3
    if reduction == "mean":
        expected /= 2
    loss = method(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_one_layer_has_no_term_and_says_so_once(build, wavy, caplog):
    with caplog.at_level(logging.WARNING):
        method = build("pkd", student_layers=1)
        for _ in range(2):
            terms = method(wavy(1, grad=True), wavy(6), LABELS)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "with 1 student layer its intermediate term is 0" in caplog.text
    assert terms.intermediate.item() == 0.0
    same = build("kd")(wavy(), wavy(), LABELS).total
    torch.testing.assert_close(terms.total, same)
    terms.total.backward()


def test_more_layers_are_silent(build, caplog):
    with caplog.at_level(logging.WARNING):
        build("pkd", student_layers=2)
    assert not caplog.records
