import pytest
import torch

from alpkd_pipeline.distillation.losses.precision import no_autocast, raised


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["float16"], "float32"),
        (["bfloat16", "float16"], "float32"),
        (["float32", "bfloat16"], "float32"),
        (["float64", "float16"], "float64"),
    ],
)
def test_common_precision_is_at_least_fp32(given, expected):
    tensors = raised(*(torch.ones(2, dtype=getattr(torch, name)) for name in given))
    assert {tensor.dtype for tensor in tensors} == {getattr(torch, expected)}
    assert len(tensors) == len(given)


def test_nothing_is_copied_without_need():
    tensor = torch.ones(2)
    assert raised(tensor)[0] is tensor


def test_gradients_come_back_in_the_precision_of_the_input():
    half = torch.ones(2, dtype=torch.float16, requires_grad=True)
    raised(half)[0].sum().backward()
    assert half.grad is not None
    assert half.grad.dtype == torch.float16


def test_autocast_is_off_inside_and_on_again_outside():
    matrix = torch.ones(2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with no_autocast(matrix):
            assert (matrix @ matrix).dtype == torch.float32
        assert (matrix @ matrix).dtype == torch.bfloat16
