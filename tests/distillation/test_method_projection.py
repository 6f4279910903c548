from functools import partial

import pytest
import torch

from alpkd_pipeline.distillation.method_table import METHODS
from alpkd_pipeline.errors import UserError

COMPARING = [name for name, row in METHODS.items() if row.compares_layers]
OTHERS = [name for name, row in METHODS.items() if name not in COMPARING and not row.swaps_blocks]
LABELS = torch.tensor([0, 1, 1, 0, 1, 0, 0, 1])


@pytest.fixture
def wavy(wavy):
    """Batches of 8, as many rows as any method needs."""
    return partial(wavy, examples=8)


@pytest.mark.parametrize("name", COMPARING)
def test_different_widths_are_refused_with_both_in_the_message(name, build):
    with pytest.raises(UserError) as caught:
        build(name, student_width=2)
    assert str(caught.value) == (
        f"method {name!r} compares student layers of width 2 with teacher layers of width 4:"
        " set projection=linear, or take a student of width 4"
    )


@pytest.mark.parametrize("name", COMPARING)
def test_a_projection_bridges_them(name, build, wavy):
    method = build(name, student_width=2, projection="linear")
    compared = {"pkd": 2, "last_layer": 1}.get(name, 3)
    assert [tuple(p.shape) for p in method.projection.parameters()] == [(4, 2), (4,)] * compared
    terms = method(wavy(3, width=2, grad=True), wavy(6, phase=2), LABELS)
    terms.total.backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in method.learned)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("projection", ["none", "linear"])
def test_methods_that_compare_no_layers_need_none(name, projection, build, wavy):
    method = build(name, student_width=2, projection=projection)
    assert method(wavy(3, width=2), wavy(6), LABELS).total.isfinite()
    assert not any("projection" in key for key in method.state_dict())


def test_without_it_vectors_are_left_alone(build):
    vectors = torch.ones(1, 3, 4)
    assert build("alp_kd").projection(vectors) is vectors


def test_each_layer_has_its_own_map(build):
    method = build("alp_kd", student_width=2, projection="linear", seed=4)
    vectors = torch.ones(1, 3, 2)
    mapped = method.projection(vectors)
    assert mapped.shape == (1, 3, 4)
    for j, linear in enumerate(method.projection.maps.maps):
        torch.testing.assert_close(mapped[:, j], linear(vectors[:, j]))
    assert not torch.equal(mapped[:, 0], mapped[:, 1])


def test_the_projected_vector_meets_the_teacher_in_weights_and_loss(build, wavy):
    method = build("alp_kd", student_width=2, projection="linear")
    student, teacher = wavy(3, width=2), wavy(6, phase=2)
    terms = method(student, teacher, LABELS)
    same_width = build("alp_kd")
    mapped = method.projection(student.layers)
    expected = same_width.intermediate(mapped, teacher.layers)
    torch.testing.assert_close(terms.intermediate, expected.loss)
    torch.testing.assert_close(terms.weights, expected.weights)
