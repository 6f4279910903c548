import pytest
import torch

from alpkd_pipeline.distillation.method import LayerMaps, drawn_from


def weights(seed):
    with drawn_from(seed):
        return [
            parameter.detach().clone() for parameter in LayerMaps([(3, 2), (3, 4)]).parameters()
        ]


def test_the_seed_decides():
    assert all(torch.equal(a, b) for a, b in zip(weights(1), weights(1), strict=True))
    assert not torch.equal(weights(1)[0], weights(2)[0])


def test_global_random_numbers_are_neither_read_nor_moved():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = weights(1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(first[0], weights(1)[0])


def test_random_numbers_continue_after_an_error():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    with pytest.raises(RuntimeError), drawn_from(1):
        raise RuntimeError
    assert torch.equal(torch.rand(3), expected)


def test_default_initialisation_of_linear_layers_in_order():
    with drawn_from(3):
        first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 4)
    expected = [first.weight, first.bias, second.weight, second.bias]
    assert all(torch.equal(a, b) for a, b in zip(weights(3), expected, strict=True))


def test_maps_by_hand():
    maps = LayerMaps([(2, 1), (1, 2)])
    with torch.no_grad():
        for parameter, value in zip(
            maps.parameters(), ([[1.0, 2.0]], [0.5], [[1.0], [-1.0]], [0.0, 3.0]), strict=True
        ):
            parameter.copy_(torch.tensor(value))
    one, two = maps([torch.tensor([[3.0, 4.0]]), torch.tensor([[2.0]])])
    assert one.tolist() == [[11.5]]  # 3 + 8 + 0.5
    assert two.tolist() == [[2.0, 1.0]]


def test_at_least_fp32_and_float64_kept():
    maps = LayerMaps([(2, 2)])
    assert maps([torch.ones(1, 2).half()])[0].dtype == torch.float32
    assert maps([torch.ones(1, 2).double()])[0].dtype == torch.float64
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert maps([torch.ones(1, 2).bfloat16()])[0].dtype == torch.float32


def test_one_tensor_per_map():
    with pytest.raises(ValueError, match="shorter"):
        LayerMaps([(2, 2), (2, 2)])([torch.ones(1, 2)])
