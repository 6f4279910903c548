import pytest
import torch

LABELS = torch.tensor([0, 1, 1])


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_equation(reduction, build, wavy):
    student, teacher = wavy(3), wavy(6, phase=2)
    mean = sum(teacher.layers[:, k] for k in range(6)) / 6
    per_layer = [((student.layers[:, j] - mean) ** 2).mean().item() for j in range(3)]
    expected = sum(per_layer) / (3 if reduction == "mean" else 1)
    loss = build("uniform", reduction=reduction)(student, teacher, LABELS).intermediate
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_it_is_alp_where_all_products_are_equal(build, wavy):
    """A student of zeros has the same product with every teacher layer."""
    student, teacher = wavy(3), wavy(6, phase=2)
    student.layers.zero_()
    uniform = build("uniform")(student, teacher, LABELS).intermediate
    attention = build("alp_kd")(student, teacher, LABELS).intermediate
    torch.testing.assert_close(uniform, attention)
