import pytest
import torch

from alpkd_pipeline.distillation.losses.token_match import token_mean

MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_worked_out_by_hand():
    values = torch.tensor([[1.0, 2, 6], [5, 70, 80]])
    # (1 + 2 + 6) / 3 = 3 and 5 / 1; their mean
    assert token_mean(values, MASK).item() == 4.0


def test_dimensions_between_are_kept():
    values = torch.tensor([[[1.0, 2, 6], [0, 0, 3]], [[5, 7, 8], [1, 1, 1]]])
    assert token_mean(values, MASK).tolist() == [4.0, 1.0]


@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_stands_at_padding_is_not_looked_at(odd):
    values = torch.tensor([[1.0, 2, 6], [5, odd, odd]], requires_grad=True)
    mean = token_mean(values, MASK)
    mean.backward()
    assert mean.item() == 4.0
    assert values.grad.isfinite().all()
