import math

import pytest
import torch

LABELS = torch.tensor([0, 1, 1])
BUCKETS = {
    "alp_kd": [(1, 2, 3, 4, 5, 6)] * 3,
    "alp_no": [(1, 2), (3, 4), (5, 6)],
    "alp_po": [(1, 2, 3), (2, 3, 4, 5), (4, 5, 6)],
}


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize(("scale", "divisor"), [("none", 1.0), ("sqrt_d", 2.0)])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(name, scale, divisor, reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    terms = build(name, scale=scale, reduction=reduction)(student, teacher, LABELS)
    expected, weights = 0.0, torch.zeros(3, 3, 6, dtype=torch.float64)
    for b in range(3):
        for j, bucket in enumerate(BUCKETS[name]):
            s = student.layers[b, j]
            exps = {k: math.exp(s @ teacher.layers[b, k - 1] / divisor) for k in bucket}
            for k, value in exps.items():
                weights[b, j, k - 1] = value / sum(exps.values())
            fused = sum(weights[b, j, k - 1] * teacher.layers[b, k - 1] for k in bucket)
            expected += ((s - fused) ** 2).sum().item() / (3 * 4)
    if reduction == "mean":
        expected /= 3
    assert terms.intermediate.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(terms.weights, weights)


@pytest.mark.parametrize("name", BUCKETS)
def test_weights_sum_to_one_inside_the_bucket_and_are_zero_outside(name, build, wavy):
    method = build(name)
    weights = method(wavy(3), wavy(6, phase=2), LABELS).weights
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(3, 3, dtype=torch.float64))
    assert method.buckets == tuple(BUCKETS[name])
    for j, bucket in enumerate(BUCKETS[name]):
        outside = [k - 1 for k in range(1, 7) if k not in bucket]
        assert (weights[:, j, outside] == 0).all()


def test_the_last_layer_is_included(build, wavy):
    student = wavy(3, grad=True)
    build("alp_kd")(student, wavy(6, phase=2), LABELS).intermediate.backward()
    assert (student.layers.grad.abs().sum(dim=(0, 2)) > 0).all()


def test_detached_weights_change_the_gradient_but_not_the_loss(build, wavy):
    def loss_and_gradient(detach):
        student = wavy(3, grad=True)
        method = build("alp_kd", detach_weights=detach)
        loss = method(student, wavy(6, phase=2), LABELS).intermediate
        loss.backward()
        return loss, student.layers.grad

    loss, gradient = loss_and_gradient(False)
    same_loss, other_gradient = loss_and_gradient(True)
    torch.testing.assert_close(loss, same_loss)
    assert not torch.allclose(gradient, other_gradient)


def test_overlap(build):
    assert build("alp_po", overlap=2).buckets == ((1, 2, 3, 4), (1, 2, 3, 4, 5, 6), (3, 4, 5, 6))


def test_nothing_to_save(build):
    assert build("alp_kd").state_dict() == {}
