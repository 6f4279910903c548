import math

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_match import cka_loss, gram_directions

# 4 examples, 2 pairs of layers. In the first pair the rows are already centred:
# S = (1, 0), (-1, 0), (0, 1), (0, -1): K_S = 1 and -1 within the first two rows and the last two.
# T = 1, -1, 0, 0, one wide: K_T has the first of these two blocks alone.
# <K_S, K_T> = 4, ||K_S|| = sqrt(8), ||K_T|| = 2: CKA = 4 / (2 sqrt(8)) = 1 / sqrt(2).
STUDENT = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64)
TEACHER = torch.tensor([[1.0], [-1], [0], [0]], dtype=torch.float64)
BY_HAND = -math.log(1 / math.sqrt(2) + 1e-8)


def pair(student, teacher):
    return student[:, None], teacher[:, None]


def test_by_hand_across_widths():
    assert cka_loss(*pair(STUDENT, TEACHER)).item() == pytest.approx(BY_HAND, rel=1e-12)


@pytest.mark.parametrize(("reduction", "expected"), [("sum", BY_HAND), ("mean", BY_HAND / 2)])
def test_over_pairs(reduction, expected):
    # The second pair is the same layer twice: -ln 1.
    student = torch.stack([STUDENT, STUDENT], dim=1)
    teacher = torch.stack([torch.cat([TEACHER, TEACHER * 0], dim=1), STUDENT], dim=1)
    assert cka_loss(student, teacher, reduction).item() == pytest.approx(expected, abs=2e-8)


def test_directions_are_those_of_the_centred_gram_matrix():
    moved = STUDENT + torch.tensor([5.0, -7.0])
    blocks = torch.tensor([[1.0, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, -1], [0, 0, -1, 1]])
    expected = (blocks.double() / math.sqrt(8)).flatten()
    torch.testing.assert_close(gram_directions(moved[:, None])[0], expected)


def test_turning_stretching_and_moving_a_layer_changes_nothing():
    turn = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)
    other = 3.0 * STUDENT @ turn + torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert cka_loss(*pair(other, TEACHER)).item() == pytest.approx(BY_HAND, rel=1e-12)


def test_rows_that_are_all_the_same_are_the_worst_and_no_nan():
    student = torch.ones(4, 1, 2, dtype=torch.float64, requires_grad=True)
    loss = cka_loss(student, TEACHER[:, None])
    assert loss.item() == pytest.approx(-math.log(1e-8))
    loss.backward()
    assert student.grad.isfinite().all()


def test_it_is_no_mean_over_rows():
    whole = cka_loss(*pair(STUDENT, TEACHER)).item()
    halves = [cka_loss(*pair(STUDENT[i : i + 2], TEACHER[i : i + 2])).item() for i in (0, 2)]
    assert sum(halves) / 2 != pytest.approx(whole, rel=0.1)


@pytest.mark.parametrize(("rows", "expected"), [(32, 0.92), (8, 0.98)])
def test_layers_without_relation_are_far_from_0_in_small_batches(rows, expected):
    generator = torch.Generator().manual_seed(0)
    one, two = (
        torch.randn(rows, 50, 384, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    found = (gram_directions(one) * gram_directions(two)).sum(dim=-1).mean().item()
    assert found == pytest.approx(expected, abs=0.006)


def test_gradients():
    student = torch.sin(torch.arange(24.0, dtype=torch.float64)).reshape(4, 2, 3).requires_grad_()
    teacher = torch.cos(torch.arange(16.0, dtype=torch.float64)).reshape(4, 2, 2).requires_grad_()
    assert gradcheck(lambda s, t: cka_loss(s, t), (student, teacher))


def test_half_inputs_are_raised():
    # The products of 300 are beyond the range of half precision.
    loss = cka_loss(300 * STUDENT[:, None].half(), TEACHER[:, None].half())
    assert loss.item() == pytest.approx(BY_HAND, rel=1e-6)
    assert loss.dtype == torch.float32
