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


def test_rows_without_a_label_have_no_part():
    # As by hand above, with a third row that would cost ln 2 and a fourth that would cost more.
    rows = [[0.0, log(3)], [0.0, 0.0], [1.0, 1.0], [9.0, 0.0]]
    logits = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
    loss = hard_loss(logits, torch.tensor([1, 0, -1, -1]))
    loss.backward()
    assert loss.item() == pytest.approx((log(4 / 3) + log(2)) / 2, rel=1e-12)
    # d(-log p_y) = p - onehot(y), halved; nothing for the others.
    expected = [[0.125, -0.125], [-0.25, 0.25], [0.0, 0.0], [0.0, 0.0]]
    assert logits.grad.tolist() == [pytest.approx(row) for row in expected]


def test_a_regression_without_some_labels_by_hand():
    logits = torch.tensor([[1.0], [7.0], [2.5]], dtype=torch.float64, requires_grad=True)
    loss = hard_loss(logits, torch.tensor([3.0, float("nan"), 2.0]), "regression")
    loss.backward()
    assert loss.item() == pytest.approx(2.125, rel=1e-12)  # (4 + 0.25) / 2
    assert logits.grad[:, 0].tolist() == pytest.approx([-2.0, 0.0, 0.5], rel=1e-12)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0])])
def test_a_batch_without_a_label_costs_nothing_and_moves_nothing(weights):
    logits = torch.tensor([[3.0, 1.0], [0.0, 5.0]], requires_grad=True)
    loss = hard_loss(logits, torch.tensor([-1, -1]), class_weights=weights)
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    scores = torch.tensor([[3.0]], requires_grad=True)
    loss = hard_loss(scores, torch.tensor([float("nan")]), "regression")
    loss.backward()
    assert (loss.item(), scores.grad.item()) == (0.0, 0.0)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_where_all_have_a_label_nothing_moves(task):
    """Bitwise what torch's own loss gives, and its gradient."""
    torch.manual_seed(0)
    width = 1 if task == "regression" else 3
    ours = torch.randn(31, width) * 3
    theirs = ours.clone().requires_grad_()
    ours.requires_grad_()
    labels = torch.randn(31) if task == "regression" else torch.arange(31) % 3
    plain = (
        torch.nn.functional.mse_loss(theirs.squeeze(1), labels)
        if task == "regression"
        else torch.nn.functional.cross_entropy(theirs, labels)
    )
    loss = hard_loss(ours, labels, task)
    (0.2 * loss).backward()
    (0.2 * plain).backward()
    assert torch.equal(loss, plain)
    assert torch.equal(ours.grad, theirs.grad)


def test_class_weights_by_hand():
    # Costs ln(4/3) of class 1, weight 2, and ln 2 of class 0, weight 1/2: a mean over two rows.
    logits = torch.tensor([[0.0, log(3)], [0.0, 0.0], [5.0, 0.0]], dtype=torch.float64)
    found = hard_loss(logits, torch.tensor([1, 0, -1]), class_weights=torch.tensor([0.5, 2.0]))
    assert found.item() == pytest.approx((2 * log(4 / 3) + 0.5 * log(2)) / 2, rel=1e-12)


def test_class_weights_leave_a_regression_alone():
    logits, labels = torch.tensor([[1.0], [2.5]]), torch.tensor([3.0, 2.0])
    assert hard_loss(logits, labels, "regression", torch.tensor([9.0])).item() == 2.125
