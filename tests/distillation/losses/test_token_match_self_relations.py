import math

import pytest
import torch
from torch.nn import functional as F

from alpkd_pipeline.distillation.losses.token_match import log_relations, self_relations

MASK = torch.tensor([[True, True, True], [True, True, False]])


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_relations_worked_out_by_hand():
    # Two tokens of width 2, one head of width 2 or two of width 1.
    vectors = torch.tensor([[[1.0, 0], [0, 2]]], dtype=torch.float64)
    mask = torch.tensor([[True, True]])
    one = log_relations(vectors, mask, heads=1).exp()[0, 0]
    # products 1, 0 / 0, 4, over sqrt(2)
    first, second = 1 / (1 + math.exp(-1 / math.sqrt(2))), 1 / (1 + math.exp(-4 / math.sqrt(2)))
    expected = torch.tensor([[first, 1 - first], [1 - second, second]], dtype=torch.float64)
    torch.testing.assert_close(one, expected)
    two = log_relations(vectors, mask, heads=2).exp()[0]
    # head 1 sees 1 and 0: products 1, 0 / 0, 0; head 2 sees 0 and 2: products 0, 0 / 0, 4
    e, f = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-4))
    assert two[0].tolist() == [pytest.approx([e, 1 - e]), [0.5, 0.5]]
    assert two[1].tolist() == [[0.5, 0.5], pytest.approx([1 - f, f])]


def test_the_divergence_worked_out_by_hand():
    mask = torch.tensor([[True, True]])
    teacher = torch.tensor([[[1.0], [0.0]]], dtype=torch.float64)
    student = torch.zeros_like(teacher)
    p = 1 / (1 + math.exp(-1))
    # row 1: p against one half; row 2: one half against itself
    row = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert self_relations(student, teacher, mask, 1).item() == pytest.approx(row / 2)


def test_equal_relations_have_no_divergence():
    vectors = random(2, 3, 8)
    assert self_relations(vectors, vectors, MASK, 4).item() == pytest.approx(0, abs=1e-12)
    # A turned space relates its tokens in the same way.
    turn, _ = torch.linalg.qr(random(8, 8, seed=3))
    assert self_relations(vectors @ turn, vectors, MASK, 1).item() == pytest.approx(0, abs=1e-12)


def test_it_is_the_divergence_of_pytorch_where_nothing_is_padded():
    student, teacher = random(2, 3, 6), random(2, 3, 4, seed=1)
    mask = torch.ones(2, 3, dtype=torch.bool)
    ours, theirs = (log_relations(x, mask, 2).flatten(0, 2) for x in (student, teacher))
    expected = F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    torch.testing.assert_close(self_relations(student, teacher, mask, 2), expected)


def test_padding_changes_nothing():
    student, teacher = random(2, 3, 6), random(2, 3, 4, seed=1)
    longer = [F.pad(x, (0, 0, 0, 2), value=9.0 + i) for i, x in enumerate((student, teacher))]
    found = self_relations(*longer, F.pad(MASK, (0, 2)), 2)
    torch.testing.assert_close(found, self_relations(student, teacher, MASK, 2))


def test_examples_weigh_alike():
    student, teacher = random(2, 3, 6), random(2, 3, 6, seed=1)
    alone = [self_relations(student[[b]], teacher[[b]], MASK[[b]], 2) for b in range(2)]
    torch.testing.assert_close(self_relations(student, teacher, MASK, 2), torch.stack(alone).mean())


def test_half_precision_is_raised():
    student, teacher = random(2, 3, 6).bfloat16(), random(2, 3, 6, seed=1).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = self_relations(student, teacher, MASK, 2)
    assert found.dtype == torch.float32
    assert torch.equal(found, self_relations(student.float(), teacher.float(), MASK, 2))


def test_gradients():
    student, teacher = random(2, 3, 4).requires_grad_(), random(2, 3, 4, seed=1)
    assert torch.autograd.gradcheck(lambda x: self_relations(x, teacher, MASK, 2), (student,))
    (gradient,) = torch.autograd.grad(self_relations(student, teacher, MASK, 2), student)
    assert gradient[0].abs().sum() > 0
    assert not gradient[1, 2].any()
