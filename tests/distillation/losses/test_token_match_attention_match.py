import torch
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.token_match import attention_match

MASK = torch.tensor([[True, True, True], [True, True, False]])


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_worked_out_by_hand():
    mask = torch.tensor([[True, True], [True, False]])
    gap = torch.tensor(
        [[[[[1.0, 3], [0, 0]], [[0, 0], [2, 0]]]], [[[[2, 50], [60, 70]], [[0, 5], [5, 5]]]]]
    )
    # first example: heads (1 + 9)/4 and 4/4, mean 1.75; second: its one experiment 4 and 0, mean 2
    assert attention_match(gap, torch.zeros_like(gap), mask).item() == (1.75 + 2) / 2


def test_without_padding_it_is_the_mean_squared_error():
    student, teacher = random(2, 1, 4, 3, 3), random(2, 1, 4, 3, 3, seed=1)
    found = attention_match(student, teacher, torch.ones(2, 3, dtype=torch.bool))
    torch.testing.assert_close(found, F.mse_loss(student, teacher))


def test_layers_are_added_up_or_averaged():
    student, teacher = random(2, 3, 2, 3, 3), random(2, 3, 2, 3, 3, seed=1)
    parts = [attention_match(student[:, [j]], teacher[:, [j]], MASK) for j in range(3)]
    total = torch.stack(parts).sum()
    torch.testing.assert_close(attention_match(student, teacher, MASK), total)
    torch.testing.assert_close(attention_match(student, teacher, MASK, "mean"), total / 3)


def test_padding_changes_nothing():
    student, teacher = random(2, 2, 2, 3, 3), random(2, 2, 2, 3, 3, seed=1)
    longer = [F.pad(x, (0, 2, 0, 2), value=77.0 * i) for i, x in enumerate((student, teacher))]
    found = attention_match(*longer, F.pad(MASK, (0, 2)))
    torch.testing.assert_close(found, attention_match(student, teacher, MASK))


def test_half_precision_is_raised():
    student, teacher = random(2, 1, 2, 3, 3).half(), random(2, 1, 2, 3, 3, seed=1).half()
    found = attention_match(student, teacher, MASK)
    assert found.dtype == torch.float32
    assert torch.equal(found, attention_match(student.float(), teacher.float(), MASK))


def test_gradients():
    student, teacher = random(2, 2, 2, 3, 3).requires_grad_(), random(2, 2, 2, 3, 3, seed=1)
    assert torch.autograd.gradcheck(lambda x: attention_match(x, teacher, MASK), (student,))
    (gradient,) = torch.autograd.grad(attention_match(student, teacher, MASK), student)
    assert not gradient[1, :, :, 2].any()
    assert not gradient[1, :, :, :, 2].any()
