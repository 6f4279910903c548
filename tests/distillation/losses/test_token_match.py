import pytest
import torch
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.token_match import token_match

MASK = torch.tensor([[True, True], [True, False]])


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_worked_out_by_hand():
    student = torch.tensor([[[[1.0, 2], [0, 0]]], [[[3, 3], [9, 9]]]])
    teacher = torch.tensor([[[[1.0, 0], [0, 2]]], [[[3, 1], [0, 0]]]])
    # first example: (0 + 4)/2 and (0 + 4)/2, mean 2; second: its one token (0 + 4)/2
    assert token_match(student, teacher, MASK).item() == 2.0


def test_layers_are_added_up_or_averaged():
    student, teacher = random(2, 3, 2, 4), random(2, 3, 2, 4, seed=1)
    parts = [token_match(student[:, [j]], teacher[:, [j]], MASK) for j in range(3)]
    total = torch.stack(parts).sum()
    torch.testing.assert_close(token_match(student, teacher, MASK), total)
    torch.testing.assert_close(token_match(student, teacher, MASK, "mean"), total / 3)


def test_padding_changes_nothing():
    student, teacher = random(2, 3, 2, 4), random(2, 3, 2, 4, seed=1)
    longer = [
        torch.cat([x, 99 * random(2, 3, 2, 4, seed=2 + i)], 2)
        for i, x in enumerate((student, teacher))
    ]
    mask = F.pad(MASK, (0, 2))
    assert torch.equal(token_match(*longer, mask), token_match(student, teacher, MASK))


def test_half_precision_is_raised():
    student, teacher = random(2, 1, 2, 4).bfloat16(), random(2, 1, 2, 4, seed=1).bfloat16()
    found = token_match(student, teacher, MASK)
    assert found.dtype == torch.float32
    assert torch.equal(found, token_match(student.float(), teacher.float(), MASK))


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradients(reduction):
    student, teacher = random(2, 2, 2, 3).requires_grad_(), random(2, 2, 2, 3, seed=1)
    assert torch.autograd.gradcheck(lambda x: token_match(x, teacher, MASK, reduction), (student,))
    (gradient,) = torch.autograd.grad(token_match(student, teacher, MASK), student)
    assert not gradient[1, :, 1].any()
