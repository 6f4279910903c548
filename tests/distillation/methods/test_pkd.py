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


def test_the_last_pair_can_be_added(build):
    method = build("pkd", teacher_layers=12, student_layers=4, with_last=True)
    assert method.pairs == ((1, 3), (2, 6), (3, 9), (4, 12))
    last = build("pkd", teacher_layers=12, student_layers=3, layers="last", with_last=True)
    assert last.pairs == ((1, 10), (2, 11), (3, 12))
    assert build("pkd", student_layers=1, with_last=True).pairs == ((1, 6),)


def test_vectors_can_be_compared_as_they_are(build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    expected = 0.0
    for j, k in ((1, 2), (2, 4)):
        gap = student.layers[:, j - 1] - teacher.layers[:, k - 1]
        expected += (gap**2).sum(dim=-1).mean().item()
    loss = build("pkd", normalise=False)(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_lambda_is_the_authors_beta_divided_by_pairs_and_width(build, wavy):
    # Theirs is a mean over examples, pairs and width.
    student, teacher = wavy(6), wavy(12, phase=2)
    unit = torch.nn.functional.normalize
    ours, theirs = student.layers[:, :5], teacher.layers[:, [1, 3, 5, 7, 9]]
    mean = torch.nn.functional.mse_loss(unit(ours, dim=-1), unit(theirs, dim=-1))
    terms = build("pkd", teacher_layers=12, student_layers=6)(student, teacher, LABELS)
    assert 0.2 * terms.intermediate.item() == pytest.approx(0.2 * 5 * 4 * mean.item(), rel=1e-12)
