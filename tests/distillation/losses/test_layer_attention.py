from math import log

import pytest
import torch
from torch.autograd import grad, gradcheck

from alpkd_pipeline.distillation.losses.layer_attention import (
    attention_weights,
    fuse,
    layer_attention,
)
from alpkd_pipeline.distillation.losses.layer_match import layer_match

EVERYTHING = torch.ones(1, 2, dtype=torch.bool)


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


# One example, one student layer, two teacher layers, width 2.
STUDENT = double([[1.0, 0.0]])
TEACHER = double([[log(3), 0.0], [0.0, 4.0]])


def wave(*shape, step=0.9):
    count = torch.Size(shape).numel()
    return torch.sin(step * torch.arange(count, dtype=torch.float64)).reshape(shape)


def test_weights_by_hand():
    # <s, t_1> = ln 3, <s, t_2> = 0: e^(ln 3) : e^0 = 3 : 1.
    weights = attention_weights(STUDENT, TEACHER, EVERYTHING)
    torch.testing.assert_close(weights, double([[0.75, 0.25]]))


def test_weights_divided_by_the_root_of_the_width():
    # Width 4: <s, t_1> / 2 = ln 3, so again 3 : 1.
    student = double([[2.0, 0.0, 0.0, 0.0]])
    teacher = double([[log(3), 5.0, 0.0, 0.0], [0.0, 0.0, 7.0, 0.0]])
    weights = attention_weights(student, teacher, EVERYTHING, "sqrt_d")
    torch.testing.assert_close(weights, double([[0.75, 0.25]]))


def test_fused_vector_by_hand():
    # 3/4 (ln 3, 0) + 1/4 (0, 4)
    torch.testing.assert_close(
        fuse(double([[0.75, 0.25]]), TEACHER), double([[0.75 * log(3), 1.0]])
    )


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_loss_by_hand(reduction):
    # C = (0.75 ln 3, 1): ((1 - 0.75 ln 3)^2 + 1^2) / 2, for two equal student layers.
    student, mask = STUDENT.repeat(1, 2, 1), EVERYTHING.repeat(2, 1)
    loss, weights = layer_attention(student, TEACHER, mask, reduction=reduction)
    one = ((1 - 0.75 * log(3)) ** 2 + 1) / 2
    assert loss.item() == pytest.approx(2 * one if reduction == "sum" else one, rel=1e-12)
    assert weights.shape == (1, 2, 2)


def test_rows_sum_to_one_and_are_exactly_zero_outside_the_bucket():
    mask = torch.tensor([[True, True, False, False], [False, True, True, True]])
    weights = attention_weights(wave(5, 2, 3), 30 * wave(5, 4, 3, step=1.3), mask)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(5, 2, dtype=torch.float64))
    assert (weights[:, ~mask] == 0).all()
    assert (weights[:, mask] > 0).all()


def test_masked_layers_change_nothing():
    mask = torch.tensor([[True, True, False]])
    student, teacher = wave(2, 1, 3), wave(2, 3, 3, step=1.3)
    loss, _ = layer_attention(student, teacher, mask)
    teacher[:, 2] = 1e6
    assert torch.equal(layer_attention(student, teacher, mask)[0], loss)
    alone, _ = layer_attention(student, teacher[:, :2], mask[:, :2])
    assert torch.equal(alone, loss)


def test_the_order_of_the_layers_in_a_bucket_does_not_matter():
    student, teacher = wave(2, 1, 3), wave(2, 3, 3, step=1.3)
    mask = torch.ones(1, 3, dtype=torch.bool)
    turned, _ = layer_attention(student, teacher.flip(1), mask)
    torch.testing.assert_close(layer_attention(student, teacher, mask)[0], turned)


def test_buckets_of_one_layer_are_plain_matching():
    student, teacher = wave(2, 3, 4), wave(2, 3, 4, step=1.3)
    loss, _ = layer_attention(student, teacher, torch.eye(3, dtype=torch.bool))
    torch.testing.assert_close(loss, layer_match(student, teacher))


def test_huge_products_stay_finite():
    loss, weights = layer_attention(1e4 * STUDENT, 1e4 * TEACHER, EVERYTHING)
    assert loss.isfinite()
    assert weights[0, 0].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("scale", ["none", "sqrt_d"])
def test_gradients(scale):
    mask = torch.tensor([[True, True, False], [False, True, True]])
    student = wave(2, 2, 3).requires_grad_()
    teacher = wave(2, 3, 3, step=1.3).requires_grad_()
    assert gradcheck(lambda s, t: layer_attention(s, t, mask, scale=scale)[0], (student, teacher))


def test_detached_weights_leave_only_the_gradient_of_the_error():
    student = STUDENT.clone().requires_grad_()
    loss, weights = layer_attention(student, TEACHER, EVERYTHING, detach_weights=True)
    (gradient,) = grad(loss, student)
    # d/ds of mean (s - C)^2 over 2 numbers, C held fixed: s - C.
    torch.testing.assert_close(gradient, STUDENT - double([[0.75 * log(3), 1.0]]))
    assert not weights.requires_grad


def test_gradient_flows_through_the_weights_by_default():
    student = STUDENT.clone().requires_grad_()
    loss, weights = layer_attention(student, TEACHER, EVERYTHING)
    (gradient,) = grad(loss, student)
    error = STUDENT[0, 0] - double(0.75 * log(3), 1.0)
    # dC/ds = a_1 a_2 (t_1 - t_2)(t_1 - t_2)^T, here 3/16 of the outer product.
    step = TEACHER[0, 0] - TEACHER[0, 1]
    through_weights = -3 / 16 * step * (step @ error)
    torch.testing.assert_close(gradient[0, 0], error + through_weights)
    assert weights.requires_grad


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_inputs_are_raised(dtype):
    student, teacher = wave(2, 1, 64).to(dtype), wave(2, 2, 64, step=1.3).to(dtype)
    loss, weights = layer_attention(student, teacher, EVERYTHING)
    expected, _ = layer_attention(student.float(), teacher.float(), EVERYTHING)
    assert loss.dtype == weights.dtype == torch.float32
    assert torch.equal(loss, expected)


def test_mixed_precision_does_not_lower_the_products():
    student, teacher = wave(2, 1, 64).float(), wave(2, 2, 64, step=1.3).float()
    expected, _ = layer_attention(student, teacher, EVERYTHING)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (student @ teacher.mT).dtype == torch.bfloat16
        loss, weights = layer_attention(student, teacher, EVERYTHING)
    assert torch.equal(loss, expected)
    assert weights.dtype == torch.float32


def test_float64_teacher_beside_a_float32_student():
    loss, _ = layer_attention(STUDENT.float(), TEACHER, EVERYTHING)
    assert loss.dtype == torch.float64
