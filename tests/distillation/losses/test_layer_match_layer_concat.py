import pytest
import torch
from torch.autograd import gradcheck

from alpkd_pipeline.distillation.losses.layer_match import concat_bucket, layer_concat


def test_concatenation_takes_the_layers_of_the_bucket_in_order():
    layers = torch.arange(12.0).reshape(2, 3, 2)
    expected = torch.tensor([[2.0, 3.0, 4.0, 5.0], [8.0, 9.0, 10.0, 11.0]])
    assert torch.equal(concat_bucket(layers, (2, 3)), expected)


@pytest.mark.parametrize(("reduction", "expected"), [("sum", 2.8), ("mean", 1.4)])
def test_by_hand_with_buckets_of_two_sizes(reduction, expected):
    # Layer 1: (3, 0, 4) / 5 against (1, 0, 0): 0.4^2 + 0.8^2 = 0.8.
    # Layer 2: (1, 0) against (0, 1): 2.
    ours = [torch.tensor([[3.0, 0.0, 4.0]]).double(), torch.tensor([[1.0, 0.0]]).double()]
    theirs = [torch.tensor([[9.0, 0.0, 0.0]]).double(), torch.tensor([[0.0, 2.0]]).double()]
    assert layer_concat(ours, theirs, reduction).item() == pytest.approx(expected, rel=1e-12)


def test_the_norm_is_that_of_the_whole_concatenation():
    # Layers (3, 0) and (0, 4) together have norm 5; normalised one by one they would be (1, 0),
    # (0, 1) and the distance from (1, 0, 0, 1) would be 0.
    layers = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]]).double()
    ours = torch.tensor([[1.0, 0.0, 0.0, 1.0]]).double()
    expected = (0.6 - 0.5**0.5) ** 2 + (0.8 - 0.5**0.5) ** 2
    loss = layer_concat([ours], [concat_bucket(layers, (1, 2))])
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_mean_over_examples():
    ours = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    theirs = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert layer_concat([ours], [theirs]).item() == 1.0  # (0 + 2) / 2


def test_a_missing_layer_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        layer_concat([torch.ones(1, 2)] * 2, [torch.ones(1, 2)])


def test_gradients():
    layers = torch.linspace(-1, 2, 12, dtype=torch.float64).reshape(2, 3, 2).requires_grad_()
    ours = torch.linspace(2, 1, 8, dtype=torch.float64).reshape(2, 4).requires_grad_()
    assert gradcheck(lambda s, t: layer_concat([s], [concat_bucket(t, (1, 3))]), (ours, layers))


def test_half_inputs_are_raised():
    loss = layer_concat([torch.tensor([[300.0, 400.0]]).half()], [torch.tensor([[1.0, 0.0]])])
    assert loss.item() == pytest.approx(0.8, rel=1e-6)
    assert loss.dtype == torch.float32
