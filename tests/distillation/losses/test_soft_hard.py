from math import log

import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.soft import hard_loss


def test_classes_by_hand():
    # softmax(0, ln 3) = (1/4, 3/4), label 1 costs -ln(3/4); softmax(0, 0) costs ln 2.
    logits = torch.tensor([[0.0, log(3)], [0.0, 0.0]], dtype=torch.float64)
    expected = (log(4 / 3) + log(2)) / 2
    assert hard_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(expected, rel=1e-12)


def test_regression_by_hand():
    # (1 - 3)^2 = 4 and (2.5 - 2)^2 = 0.25, mean 2.125; a broadcast to 2 x 2 would give 3.625.
    logits = torch.tensor([[1.0], [2.5]], dtype=torch.float64)
    labels = torch.tensor([3.0, 2.0], dtype=torch.float32)
    assert hard_loss(logits, labels, "regression").item() == 2.125


def test_gradients():
    logits = torch.linspace(-1, 2, 6, dtype=torch.float64).reshape(2, 3).requires_grad_()
    assert gradcheck(lambda z: hard_loss(z, torch.tensor([2, 0])), (logits,))
    scores = torch.tensor([[0.5], [-1.0]], dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert gradcheck(lambda z: hard_loss(z, labels, "regression"), (scores,))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_half_inputs_are_raised(task):
    logits = torch.tensor([[0.3], [1.7]] if task == "regression" else [[0.3, 1.7], [2.0, 0.1]])
    labels = torch.tensor([1.0, 0.0]) if task == "regression" else torch.tensor([1, 0])
    half = logits.bfloat16()
    assert hard_loss(half, labels, task).dtype == torch.float32
    assert torch.equal(hard_loss(half, labels, task), hard_loss(half.float(), labels, task))


def test_float64_is_kept():
    logits = torch.zeros(2, 3, dtype=torch.float64)
    assert hard_loss(logits, torch.tensor([0, 1])).dtype == torch.float64
